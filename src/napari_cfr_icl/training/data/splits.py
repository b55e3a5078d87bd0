"""Split into training and held-out pictures; no object, plane or copy is ever on both sides."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_cfr_icl._errors import InputError
from napari_cfr_icl.training.data.check import DatasetIssue, DatasetReport, ImageRecord

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True, eq=False)
class SplitRecords:
    """The pictures of one collection, divided.

    Attributes
    ----------
    name : str
        Of the collection.
    train, held_out : tuple of ImageRecord
    findings : tuple of DatasetIssue
        Pictures left out so that nothing leaks.
    """

    name: str
    train: tuple[ImageRecord, ...]
    held_out: tuple[ImageRecord, ...]
    findings: tuple[DatasetIssue, ...]


def divide(report: DatasetReport, held_out: float, seed: int) -> SplitRecords:
    """Divide as the collection says; where it does not, hold out whole groups by chance.

    Parameters
    ----------
    report : DatasetReport
        The collection's pictures.
    held_out : float
        Share of the pictures to hold out where no lists are given.
    seed : int
        Decides which.

    Raises
    ------
    InputError
        When the given lists put one group on both sides.
    """
    records = report.records
    if any(record.example.split == "val" for record in records):
        _check_groups(report)
        train = [record for record in records if record.example.split != "val"]
        val = [record for record in records if record.example.split == "val"]
    else:
        chosen = _held_out_groups(records, held_out, seed)
        groups = _groups(records)
        train = [
            record for record, group in zip(records, groups, strict=True) if group not in chosen
        ]
        val = [record for record, group in zip(records, groups, strict=True) if group in chosen]
    copies = {record.pixels_hash for record in val}
    leaked = [record for record in train if record.pixels_hash in copies]
    findings = tuple(
        DatasetIssue(
            record.example.key, "warning", "leak", "left out of training: it is also held out"
        )
        for record in leaked
    )
    kept = tuple(record for record in train if record.pixels_hash not in copies)
    return SplitRecords(report.collection.name, kept, tuple(val), findings)


def _check_groups(report: DatasetReport) -> None:
    sides: dict[str, str | None] = {}
    for record in report.records:
        side = "val" if record.example.split == "val" else "train"
        if sides.setdefault(record.example.group, side) != side:
            raise InputError(
                f"{report.collection.path}: the group {record.example.group!r} is in both train "
                "and val; put all its pictures on one side."
            )


def _groups(records: Sequence[ImageRecord]) -> list[str]:
    """The group of each record; groups that share a picture become one."""
    by_hash: dict[str, str] = {}
    merged: dict[str, str] = {}

    def root(group: str) -> str:
        while merged.get(group, group) != group:
            group = merged[group]
        return group

    for record in records:
        group = root(record.example.group)
        other = root(by_hash.setdefault(record.pixels_hash, group))
        merged[group] = other
    return [root(record.example.group) for record in records]


def _held_out_groups(records: Sequence[ImageRecord], share: float, seed: int) -> set[str]:
    names = list(dict.fromkeys(_groups(records)))
    if share == 0 or len(names) < 2:
        return set()
    order = np.random.default_rng(seed).permutation(len(names))
    count = min(len(names) - 1, max(1, round(share * len(names))))
    return {names[i] for i in order[:count]}
