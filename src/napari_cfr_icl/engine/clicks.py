"""Clicks: where the user pointed, in (row, column) pixels of the image."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import overload

from napari_cfr_icl._errors import ClickError


@dataclass(frozen=True, slots=True)
class Click:
    """One click.

    Parameters
    ----------
    row, col : float
        Place in pixels of the image; pixel centres are whole numbers.
    positive : bool, optional
        True on the object (the default), False on the background.

    Raises
    ------
    ClickError
        When a coordinate is not a finite number.
    """

    row: float
    col: float
    positive: bool = True

    def __post_init__(self) -> None:
        if not (math.isfinite(self.row) and math.isfinite(self.col)):
            raise ClickError(f"A click needs finite coordinates, not ({self.row}, {self.col}).")


class Clicks(Sequence[Click]):
    """The clicks of one object, in the order they were made. Never changes.

    Parameters
    ----------
    clicks : iterable of Click, optional
        The clicks, oldest first.

    Raises
    ------
    TypeError
        When one of them is no Click, but, say, a pair of numbers.
    """

    __slots__ = ("_items",)

    def __init__(self, clicks: Iterable[Click] = ()) -> None:
        self._items = tuple(clicks)
        for item in self._items:
            if not isinstance(item, Click):
                raise TypeError(f"Clicks are made of Click(row, column), not of {item!r}.")

    @property
    def positives(self) -> tuple[Click, ...]:
        """Clicks on the object, oldest first."""
        return tuple(click for click in self._items if click.positive)

    @property
    def negatives(self) -> tuple[Click, ...]:
        """Clicks on the background, oldest first."""
        return tuple(click for click in self._items if not click.positive)

    def added(self, click: Click) -> Clicks:
        """These clicks and one more."""
        return Clicks((*self._items, click))

    def without(self, index: int) -> Clicks:
        """These clicks but the one at `index`."""
        items = list(self._items)
        del items[index]
        return Clicks(items)

    def moved(self, index: int, row: float, col: float) -> Clicks:
        """These clicks with the one at `index` at another place."""
        items = list(self._items)
        items[index] = replace(items[index], row=row, col=col)
        return Clicks(items)

    @overload
    def __getitem__(self, index: int) -> Click: ...
    @overload
    def __getitem__(self, index: slice) -> Clicks: ...
    def __getitem__(self, index: int | slice) -> Click | Clicks:
        if isinstance(index, slice):
            return Clicks(self._items[index])
        return self._items[index]

    def __len__(self) -> int:
        return len(self._items)

    def __iter__(self) -> Iterator[Click]:
        return iter(self._items)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Clicks) and self._items == other._items

    def __hash__(self) -> int:
        return hash(self._items)

    def __repr__(self) -> str:
        return f"Clicks({list(self._items)!r})"
