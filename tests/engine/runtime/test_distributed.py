from __future__ import annotations

import os
import subprocess
import sys
import time
from datetime import timedelta

import pytest
import torch
from torch import distributed
from torch.distributed import distributed_c10d

from napari_cfr_icl._errors import SettingsError
from napari_cfr_icl.engine.runtime.device import pick_device
from napari_cfr_icl.engine.runtime.distributed import Distributed, joined, process_device

SHORT = 2.0
"""Seconds that stand for the minutes of PyTorch's default time-out."""


def test_without_torchrun_all_of_the_work_is_here(monkeypatch):
    for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK"):
        monkeypatch.delenv(name, raising=False)

    with joined("cpu") as alone:
        assert alone == Distributed(0, 1, torch.device("cpu"))
        assert all(alone.owns(index) for index in range(10))
        assert alone.gathered(["text"]) == ["text"]


def test_shares_are_disjoint_and_complete():
    processes = [Distributed(rank, 3) for rank in range(3)]
    owners = [{index for index in range(10) if each.owns(index)} for each in processes]

    assert set.union(*owners) == set(range(10))
    assert sum(len(owned) for owned in owners) == 10


def test_a_batch_that_cannot_be_shared_is_refused():
    third = Distributed(0, 3, torch.device("cpu"))
    assert list(third.share(6)) == [0, 1]
    with pytest.raises(SettingsError, match="cannot be divided among 3"):
        third.share(4)


@pytest.mark.parametrize(
    ("local_rank", "name", "expected"),
    [(0, "auto", "cuda:0"), (3, "auto", "cuda:1"), (3, "cuda", "cuda:1"), (3, "cpu", "cpu")],
)
def test_processes_take_turns_on_the_gpus(monkeypatch, local_rank, name, expected):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)

    assert process_device(name, local_rank) == torch.device(expected)


def test_machine_without_gpu_keeps_its_device(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)

    assert process_device("auto", 1) == pick_device("auto")


@pytest.mark.parametrize(
    ("has_nccl", "neighbours", "backend"),
    [
        (True, None, "cpu:gloo,cuda:nccl"),
        (True, 2, "cpu:gloo,cuda:nccl"),
        (True, 3, "gloo"),
        (False, None, "gloo"),
    ],
)
def test_processes_need_neither_torchrun_nor_nccl(monkeypatch, has_nccl, neighbours, backend):
    """Others start processes too, there is no NCCL on Windows, and it wants a GPU for each."""
    monkeypatch.delenv("LOCAL_WORLD_SIZE", raising=False)
    if neighbours is not None:
        monkeypatch.setenv("LOCAL_WORLD_SIZE", str(neighbours))
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.delenv("LOCAL_RANK", raising=False)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "set_device", lambda device: None)
    monkeypatch.setattr(distributed, "is_nccl_available", lambda: has_nccl)
    monkeypatch.setattr(distributed, "destroy_process_group", lambda: None)
    backends = []
    monkeypatch.setattr(distributed, "init_process_group", lambda name, **_: backends.append(name))

    with joined() as processes:
        assert processes == Distributed(1, 2, torch.device("cuda:0"))
    assert backends == [backend]


def test_a_slow_process_is_waited_for_longer_than_by_default():
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    finished = subprocess.run(
        [*command, __file__],
        check=False,
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert finished.returncode == 0, finished.stderr
    assert finished.stdout.count("[0, 1] tensor([1.]) slow") == 2


def _one_of_two_processes():
    distributed_c10d.default_pg_timeout = timedelta(seconds=SHORT)
    with joined("cpu") as processes:
        if processes.leads:
            time.sleep(2 * SHORT)
        ranks = processes.gathered([processes.rank])
        total = processes.summed(torch.tensor([float(processes.rank)]))
        sys.stdout.write(f"{ranks} {total} {processes.agree('slow' if processes.leads else '')}\n")


if __name__ == "__main__":
    _one_of_two_processes()
