"""A process that was forked from one with a network lacks its threads, and says so."""

from __future__ import annotations

import subprocess
import sys

import pytest

from checkpoints import HRNET

CODE = """
import multiprocessing, sys
import numpy as np, torch
from napari_cfr_icl import zoo
from napari_cfr_icl._errors import DeviceError
from napari_cfr_icl.engine import Click, Predictor

torch.set_num_threads(2)
predictor = Predictor(zoo.load(sys.argv[1]), device="cpu")
image = np.zeros((300, 300), np.uint8)
predictor.predict(image, [Click(9, 9)])

def answer(threads):
    torch.set_num_threads(threads)
    try:
        return predictor.predict(image, [Click(9, 9)]).passes
    except DeviceError as error:
        return str(error)

with multiprocessing.get_context("fork").Pool(1) as pool:
    for threads in (2, 1):
        print(pool.apply_async(answer, (threads,)).get(60))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there are no forks")
def test_a_forked_process_gets_a_sentence():
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", CODE, str(HRNET)],
        capture_output=True, text=True, check=True, timeout=120,
    )  # fmt: skip
    refused, answered = done.stdout.splitlines()
    assert "start the pool with multiprocessing's method 'spawn'" in refused
    assert int(answered) >= 1
