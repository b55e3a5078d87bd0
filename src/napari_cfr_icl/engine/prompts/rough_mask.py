"""The previous masks that a lasso or a box becomes, and what is remembered of the gesture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_cfr_icl.engine.windows import Patch, Window

if TYPE_CHECKING:
    from napari_cfr_icl.engine.clicks import Clicks
    from napari_cfr_icl.engine.prompts.gestures import Box

_LIMIT = 0.1
"""Margin around a gesture, as a share of its sides, that its object may reach into."""


@dataclass(frozen=True, slots=True, eq=False)
class RoughMask(Patch):
    """The weak mask that a lasso or a box becomes.

    Parameters
    ----------
    clicks : Clicks
        Those that stand for the gesture beside the mask.
    """

    clicks: Clicks

    @property
    def limit(self) -> Window:
        """The object lies in it: the gesture's bounding box and a margin for the hand."""
        return self.window.grown(*(max(1, round(_LIMIT * side)) for side in self.window.shape))


@dataclass(frozen=True, slots=True, eq=False)
class BoxMask(RoughMask):
    """The ellipse in a box, and the box itself for a network that takes boxes.

    Parameters
    ----------
    box : Box
        As drawn.
    """

    box: Box
