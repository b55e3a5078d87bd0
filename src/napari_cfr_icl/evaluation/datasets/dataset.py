"""A data set of the evaluation: pictures in a fixed order, each with its true objects.

Everything is read when it is asked for, so that one picture is in memory at a time.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

IGNORED = -1
"""Value of the pixels of a truth that count neither as object nor as background."""


@dataclass(frozen=True, slots=True, eq=False)
class TrueObject:
    """One object to segment.

    Parameters
    ----------
    key : str
        Its name, unique in its picture.
    area : int
        Pixels of the object.
    truth : callable
        Returns the truth, int8 of shape (rows, columns): 1 object, 0 background, -1 ignored.
    """

    key: str
    area: int
    truth: Callable[[], NDArray[np.int8]]

    @classmethod
    def from_truth(cls, key: str, truth: NDArray[np.int8]) -> TrueObject:
        """An object whose truth is in memory already."""
        return cls(key, int(np.count_nonzero(truth == 1)), lambda: truth)


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """One picture and its objects, which are read on request.

    Parameters
    ----------
    key : str
        Its name, unique in the data set.
    image : callable
        Returns the pixels, of any numeric type: (rows, columns) or (rows, columns, channels).
    objects : callable
        Returns the objects, in a fixed order.
    doubt : callable
        Returns a sentence on what had to be left out or assumed; empty where nothing had.
    """

    key: str
    image: Callable[[], NDArray[Any]]
    objects: Callable[[], Sequence[TrueObject]]
    doubt: Callable[[], str] = str

    def __post_init__(self) -> None:
        object.__setattr__(self, "key", _as_text(self.key))


@dataclass(frozen=True, slots=True, eq=False)
class Dataset:
    """A data set.

    Parameters
    ----------
    name : str
        What tables call it.
    path : Path
        Where it was found.
    pictures : sequence of Picture
        In the order in which they are evaluated.
    window_scale : float
        How much larger than elsewhere the network's input is in the numbers published on this set;
        the presets that repeat such numbers do the same.
    """

    name: str
    path: Path
    pictures: Sequence[Picture]
    window_scale: float = 1.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", _as_text(self.name))


def _as_text(name: str) -> str:
    """A file's name as any file and table can hold it: bytes that are no text as numbers."""
    return name.encode("utf-8", "backslashreplace").decode()


def objects_of_labels(
    labels: NDArray[Any], ids: Iterable[int] | None = None, ignored: NDArray[np.bool_] | None = None
) -> list[TrueObject]:
    """One object per id of a label image, smallest id first.

    Parameters
    ----------
    labels : ndarray of integers, shape (rows, columns)
        0 is background.
    ids : iterable of int, optional
        The ids to take; all positive ones by default.
    ignored : ndarray of bool, shape (rows, columns), optional
        Pixels that do not count.
    """
    found, areas = np.unique(labels, return_counts=True)
    sizes = dict(zip(found.tolist(), areas.tolist(), strict=True))
    wanted = [label for label in found.tolist() if label > 0] if ids is None else list(ids)
    return [
        TrueObject(str(label), sizes[label], partial(_truth_of_label, labels, label, ignored))
        for label in wanted
    ]


def _truth_of_label(
    labels: NDArray[Any], label: int, ignored: NDArray[np.bool_] | None
) -> NDArray[np.int8]:
    truth = np.asarray(labels == label, np.int8)
    if ignored is not None:
        truth[ignored] = IGNORED
    return truth
