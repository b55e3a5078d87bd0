"""`evaluate` on the GPU, one object after the other, side by side, and with too little memory."""

from __future__ import annotations

from functools import partial

import pytest
import torch

from blob_dataset import TINY_MODEL, write_blobs, write_settings
from command_line import run
from napari_cfr_icl import zoo
from napari_cfr_icl._errors import DeviceError
from napari_cfr_icl.engine.runtime.network import Network
from napari_cfr_icl.evaluation.protocol.batching import SideBySide
from napari_cfr_icl.evaluation.protocol.records import Record
from napari_cfr_icl.evaluation.protocol.result_log import read_logs

pytestmark = pytest.mark.gpu

NOWHERE = torch.full((1, 2, 3), -1.0)


def records(folder, data, preset, device, batch):
    words = ("--model", TINY_MODEL, "--preset", preset, "--inference", "cfr-1", "--max-clicks", 3)
    words += ("--device", device, "--batch", batch, "--worst", 0, "--precision", "float32")
    finished = run("evaluate", data, "--out", folder, *words)
    assert finished.exit_code == 0, finished.output
    return {(r.subject.picture, r.subject.object): r for r in read_logs(folder, Record.from_line)}


def test_clicks_are_counted_as_on_a_processor_also_side_by_side(tmp_path, device):
    data = write_blobs(tmp_path / "blobs", pictures=2, count=3)
    preset = write_settings(tmp_path / "tiny.json")
    expected = records(tmp_path / "expected", data, preset, "cpu", 1)
    assert len(expected) == 6
    for batch in (1, 4):
        found = records(tmp_path / str(batch), data, preset, device, batch)
        assert found.keys() == expected.keys()
        for key, record in found.items():
            assert record.passes == expected[key].passes
            assert record.ious == pytest.approx(expected[key].ious, abs=2e-3)


def jobs_on(network, side, count):
    def job(run, number):
        torch.manual_seed(number)
        image = torch.rand(1, 3, side, side).to(network.device)
        return run(image, torch.zeros_like(image[:, :1]), NOWHERE.to(network.device)).cpu()

    batcher = SideBySide(count)
    asked = network.with_run(batcher.gathered)
    return list(batcher.results(partial(job, asked, number) for number in range(count)))


def test_a_batch_that_is_too_large_is_cut(memory, device):
    network = Network(zoo.load(zoo.DEFAULT_MODEL), str(device), "float32")
    expected = jobs_on(network, 768, 8)
    one = memory.peak(partial(jobs_on, network, 768, 1))
    eight = memory.peak(partial(jobs_on, network, 768, 8))
    assert eight > 4 * one
    with memory.limited(3.5 * one):
        found = jobs_on(network, 768, 8)
    for ours, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-3 * float(theirs.std()), rtol=0)


def test_an_object_that_does_not_fit_gets_one_sentence(memory, device):
    network = Network(zoo.load(zoo.DEFAULT_MODEL), str(device), "float32")
    one = memory.peak(partial(jobs_on, network, 768, 1))
    with memory.limited(one / 8), pytest.raises(DeviceError, match="is out of memory"):
        jobs_on(network, 768, 1)
    assert len(jobs_on(network, 768, 1)) == 1, "the GPU is not usable afterwards"
