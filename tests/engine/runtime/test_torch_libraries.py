"""Torch's libraries are loaded ahead of torch, and torch is none the worse for it."""

import os
import subprocess
import sys

import pytest

AHEAD = """
import os, sys
from ctypes import CDLL
from importlib.util import find_spec
from pathlib import Path
from napari_cfr_icl.engine.runtime.torch_libraries import load_torch_libraries

path = Path(find_spec("torch").origin).parent / "lib" / "libtorch_python.so"

def is_loaded():
    try:
        CDLL(path, mode=os.RTLD_NOLOAD)
    except OSError:
        return False
    return True

before = is_loaded()
load_torch_libraries()
print(before, is_loaded(), "torch" in sys.modules)
import torch
load_torch_libraries()
print(int(torch.ones(3, 3).matmul(torch.ones(3, 3)).sum()))
"""

WITHOUT_TORCH = """
from napari_cfr_icl.engine.runtime import torch_libraries

def refuse(path):
    print(path)

torch_libraries.PathFinder.find_spec = lambda name: None
torch_libraries.ctypes.CDLL = refuse
torch_libraries.load_torch_libraries()
"""


def printed(program):
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    return done.stdout.decode().splitlines()


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere nothing is loaded ahead")
def test_they_are_there_before_torch_and_torch_works():
    assert printed(AHEAD) == ["False True False", "27"]


def test_without_torch_nothing_is_done():
    assert printed(WITHOUT_TORCH) == []


WAITING = """
import logging, os
from napari_cfr_icl.engine.runtime.torch_libraries import load_torch_libraries

logging.basicConfig(format="%(message)s", level="INFO")
{first}
load_torch_libraries()
import torch
load_torch_libraries()
print(os.environ.get("OMP_WAIT_POLICY"), os.environ.get("GOMP_SPINCOUNT"))
"""

WAYS = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")


@pytest.mark.parametrize(
    ("given", "first", "policy", "told"),
    [
        ({}, "", "None 10000", ""),
        ({"OMP_WAIT_POLICY": "ACTIVE"}, "", "ACTIVE None", ""),
        ({}, "import torch", "None None", "Another plugin loaded torch before"),
    ],
    ids=["ours", "the user's", "too late"],
)
def test_threads_spin_shortly_unless_it_is_too_late(given, first, policy, told):
    kept = {name: value for name, value in os.environ.items() if name not in WAYS}
    program = [sys.executable, "-c", WAITING.format(first=first)]
    done = subprocess.run(program, capture_output=True, text=True, check=True, env=kept | given)
    assert done.stdout.strip() == policy
    assert (told in done.stderr) if told else done.stderr == ""
