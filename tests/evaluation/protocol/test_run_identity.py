from __future__ import annotations

import json

import pytest
import torch

from napari_cfr_icl import zoo
from napari_cfr_icl._errors import OutputError
from napari_cfr_icl.engine.runtime.distributed import Distributed
from napari_cfr_icl.evaluation.protocol.run_identity import (
    PENDING,
    claim,
    environment_of,
    fingerprint,
)


def network():
    made = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4))
    with torch.no_grad():
        for value in made.state_dict().values():
            value.fill_(1)
    return made


def test_fingerprint_is_that_of_the_weights():
    same, other = network(), network()
    with torch.no_grad():
        other[1].running_mean[2] += 1e-6

    assert fingerprint(network()) == fingerprint(same)
    assert fingerprint(network()) != fingerprint(other)
    assert fingerprint(same.half()) != fingerprint(network())


def test_a_shipped_network_keeps_its_fingerprint():
    """An evaluation that an earlier version began goes on."""
    network = zoo.load("cfr-icl-mobilesam")
    expected = "110f3e3fd5e506b7806d4dc1e8aec84b9f12f6817c17016b725983aa4f885acb"
    assert fingerprint(network) == expected


def test_folder_belongs_to_the_first_run_that_claims_it(tmp_path):
    claim(tmp_path / "out", {"models": {"a": "1"}, "sizes": (1, 2)}, Distributed())
    claim(tmp_path / "out", {"models": {"a": "1"}, "sizes": (1, 2)}, Distributed())

    with pytest.raises(OutputError, match="with other models"):
        claim(tmp_path / "out", {"models": {"a": "2"}, "sizes": (1, 2)}, Distributed())
    with pytest.raises(OutputError, match="with other models"):
        claim(
            tmp_path / "out", {"models": {"a": "2"}, "sizes": (1, 2)}, Distributed(rank=1, size=2)
        )


def test_first_process_alone_writes_what_the_run_is(tmp_path):
    claim(tmp_path / "out", {}, Distributed(rank=1, size=2))
    assert not (tmp_path / "out").exists()

    claim(tmp_path / "out", {"sample": 3}, Distributed(rank=0, size=2))
    content = json.loads((tmp_path / "out" / "run.json").read_text())
    assert content["run"] == {"sample": 3}
    assert content["environment"] == {**environment_of(), "processes": 2}


def test_other_content_is_no_run(tmp_path):
    (tmp_path / "run.json").write_text("[]")

    with pytest.raises(OutputError, match="no description of a run"):
        claim(tmp_path, {}, Distributed())


def test_what_was_pending_is_filled_in_and_then_compared(tmp_path):
    claim(tmp_path, {"models": {"a": "1", "b": PENDING}}, Distributed())
    claim(tmp_path, {"models": {"a": PENDING, "b": "2"}}, Distributed())

    content = json.loads((tmp_path / "run.json").read_text())
    assert content["run"] == {"models": {"a": "1", "b": "2"}}
    for models in ({"a": PENDING, "b": "3"}, {"a": PENDING}, {"a": PENDING, "c": PENDING}):
        with pytest.raises(OutputError, match="with other models"):
            claim(tmp_path, {"models": models}, Distributed())
