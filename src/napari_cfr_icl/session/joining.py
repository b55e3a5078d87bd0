"""Objects that were found plane by plane, joined through a stack."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from napari_cfr_icl.engine.windows import Patch, iou
from napari_cfr_icl.session.fading import Fading
from napari_cfr_icl.session.propagation import Limits, handed_on

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from napari_cfr_icl.session.protocols import PredictorLike

RIVAL = 0.5
"""Share of the best overlap above which another one leaves a doubt."""

HALF = 0.5
"""Probability above which a pixel belongs to a mask that was handed on."""


@dataclass(slots=True)
class Joined:
    """The objects of a stack.

    Parameters
    ----------
    planes : list of dict
        Masks by id, for each plane.
    doubts : list of str
        One sentence for each place where it is not sure that the ids are right.
    """

    planes: list[dict[int, Patch]]
    doubts: list[str] = field(default_factory=list)


class StackJoiner:
    """Gives objects of neighbouring planes one id where they overlap, and fills gaps.

    An object that has no other on the next plane is propagated there, as in the dock, and ends
    where it is not found, or has changed more than the limits allow.

    Parameters
    ----------
    sources : sequence of object
        The pixels of each plane, as the predictor takes them.
    found : sequence of list of Patch
        Masks of bool on each plane that have no id yet; none of a plane overlap.
    predictor : PredictorLike
        Propagates.
    """

    def __init__(
        self,
        sources: Sequence[Any],
        found: Sequence[Sequence[Patch]],
        predictor: PredictorLike,
    ) -> None:
        self._sources = sources
        self._found = [list(masks) for masks in found]
        self._predictor = predictor
        self._limits = Limits()

    def join(self, known: Sequence[dict[int, Patch]]) -> Joined:
        """Join all planes, upwards from the first that has known objects, then downwards.

        Parameters
        ----------
        known : sequence of dict
            Masks of finished objects by id, for each plane. They keep their ids and pixels.
        """
        self._joined = Joined([dict(masks) for masks in known])
        self._next_id = 1 + max((label for masks in known for label in masks), default=0)
        self._firsts: dict[int, Fading] = {}
        start = next((index for index, masks in enumerate(known) if masks), 0)
        self._begin(start, [])
        for way in (range(start + 1, len(known)), range(start - 1, -1, -1)):
            before = start
            for plane in way:
                self._step(before, plane)
                before = plane
        return self._joined

    def _begin(self, plane: int, taken: Sequence[int]) -> None:
        """Give new ids to what was found on a plane, but for the masks with these numbers."""
        for number, mask in enumerate(self._found[plane]):
            if number not in taken:
                self._joined.planes[plane][self._next_id] = mask
                self._next_id += 1

    def _step(self, before: int, plane: int) -> None:
        here, there = self._joined.planes[plane], self._joined.planes[before]
        open_ids = {label: mask for label, mask in there.items() if label not in here}
        pairs = sorted(self._pairs(open_ids, plane), reverse=True)
        taken: dict[int, tuple[float, int]] = {}
        for share, label, number in pairs:
            if label in open_ids and number not in taken:
                here[label] = self._found[plane][number]
                taken[number] = share, label
                del open_ids[label]
        self._doubt_rivals(pairs, taken, plane)
        self._begin(plane, list(taken))
        for label, mask in open_ids.items():
            self._propagate(label, mask, before, plane)

    def _pairs(self, masks: dict[int, Patch], plane: int) -> list[tuple[float, int, int]]:
        """Overlap, id and number of all that may be the same object."""
        return [
            (iou(mask, other), label, number)
            for label, mask in masks.items()
            for number, other in enumerate(self._found[plane])
            if mask.window.intersection(other.window) is not None
            and self._limits.allow(mask, other)
        ]

    def _doubt_rivals(
        self,
        pairs: Sequence[tuple[float, int, int]],
        taken: dict[int, tuple[float, int]],
        plane: int,
    ) -> None:
        best = {label: share for share, label in taken.values()}
        for share, label, number in pairs:
            won, winner = taken.get(number, (0.0, label))
            rival = max(won, best.get(label, 0.0))
            if winner != label and share > RIVAL * rival:
                self._joined.doubts.append(
                    f"Plane {plane}: objects {winner} and {label} claim the same one."
                )

    def _propagate(self, label: int, mask: Patch, before: int, plane: int) -> None:
        clicks, previous, view = handed_on(mask)
        source = self._sources[plane]
        *_, answer = self._predictor.steps(source, clicks, previous, view)
        first = self._firsts.setdefault(
            label, Fading(self._sources[before], mask, self._limits.least_contrast)
        )
        new = first.kept(source, answer.probabilities, HALF).threshold(HALF)
        box = new.bounds()
        if box is None:
            return
        values = new.read(box)
        free = values.copy()
        for other in self._joined.planes[plane].values():
            free &= ~other.read(box)
        if 2 * np.count_nonzero(free) < np.count_nonzero(values):
            self._joined.doubts.append(
                f"Plane {plane}: object {label} ends, or is a part of another."
            )
            return
        kept = Patch(free, box, mask.image_shape)
        if not self._limits.allow(mask, kept):
            self._joined.doubts.append(
                f"Plane {plane}: object {label} ends, as it changed too much."
            )
            return
        self._joined.planes[plane][label] = kept
        self._joined.doubts.append(f"Plane {plane}: object {label} was propagated, not found.")
