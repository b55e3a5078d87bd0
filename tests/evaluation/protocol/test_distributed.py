from __future__ import annotations

import pytest
import torch

from napari_cfr_icl.evaluation.protocol.distributed import Share, gather_text, together


def test_without_torchrun_all_of_the_work_is_here(monkeypatch):
    for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK"):
        monkeypatch.delenv(name, raising=False)

    share = Share.from_environment()

    assert share == Share(0, 1, 0)
    assert all(share.has(index) for index in range(10))
    with together(share):
        assert gather_text(share, "text") == ["text"]


def test_shares_are_disjoint_and_complete(monkeypatch):
    owners = []
    for rank in range(3):
        monkeypatch.setenv("RANK", str(rank))
        monkeypatch.setenv("WORLD_SIZE", "3")
        monkeypatch.setenv("LOCAL_RANK", str(rank))
        share = Share.from_environment()
        owners.append({index for index in range(10) if share.has(index)})

    assert set.union(*owners) == set(range(10))
    assert sum(len(owned) for owned in owners) == 10


@pytest.mark.parametrize(
    ("local_rank", "name", "expected"),
    [(0, "auto", "cuda:0"), (3, "auto", "cuda:1"), (3, "cuda", "cuda:1"), (3, "cpu", "cpu")],
)
def test_processes_take_turns_on_the_gpus(monkeypatch, local_rank, name, expected):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)

    assert Share(5, 8, local_rank).device(name) == expected


def test_machine_without_gpu_keeps_the_name(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)

    assert Share(1, 2, 1).device("auto") == "auto"
