"""Provenance of the current object's answers, for a replay without a screen."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Literal

import numpy as np

from napari_cfr_icl.autosave.label_diff import LabelDiff
from napari_cfr_icl.autosave.records import (
    BASE,
    NOTHING,
    AnswerRecord,
    EngineRecord,
    PictureRecord,
    is_written_whole,
)
from napari_cfr_icl.engine.rendering import Rendering
from napari_cfr_icl.engine.windows import Patch, Window
from napari_cfr_icl.gui.layers.channels import DrawnSource
from napari_cfr_icl.gui.layers.planes import LayerPlane
from napari_cfr_icl.session.objects import ObjectState, Scene
from napari_cfr_icl.session.protocols import Answer

Provenance = tuple[AnswerRecord, EngineRecord, PictureRecord]
"""An answer without its numbers of the network and of the plane in a log, and these two."""


class ProvenanceTracker:
    """Provenance of all answers that are still as the network gave them.

    A compressed answer from the history has none: it is rounded, and a replay from it would give
    another result.
    """

    def __init__(self) -> None:
        # Each with those that it was made from, oldest first, by the array of probabilities:
        # answers themselves have no weak references.
        self._chains: dict[int, tuple[Provenance, ...]] = {}

    def note(self, state: ObjectState, answer: Answer, engine: EngineRecord) -> None:
        """Remember the provenance of the `answer` to a state, if it is known."""
        picture, previous = picture_of(state.scene), state.previous
        before = self._chain(previous)
        fed: int | Literal["nothing", "base"] = NOTHING if previous is None else len(before) - 1
        if isinstance(previous, Patch):
            fed = BASE if is_written_whole(previous) else -1
        if picture is None or fed == -1:
            return
        values = answer.probabilities.values
        weakref.finalize(values, self._chains.pop, id(values), None)
        record = AnswerRecord(state.clicks, fed, state.view, answer.passes, engine=-1, picture=-1)
        self._chains[id(values)] = (*before, (record, engine, picture))

    def answers(
        self,
        state: ObjectState,
        number_of: Callable[[str, EngineRecord | PictureRecord], int],
    ) -> tuple[AnswerRecord, ...]:
        """All answers that led to the mask of `state`, oldest first; empty where one is unknown.

        Parameters
        ----------
        state : ObjectState
            The object.
        number_of : callable
            Returns the number of an "engine" or a "picture" in the log's lists.
        """
        return tuple(
            replace(
                record, engine=number_of("engine", engine), picture=number_of("picture", picture)
            )
            for record, engine, picture in self._chain(state.shown)
        )

    def _chain(self, answer: Answer | Patch | None) -> tuple[Provenance, ...]:
        if answer is None or isinstance(answer, Patch):
            return ()
        return self._chains.get(id(answer.probabilities.values), ())


def picture_of(scene: Scene | None) -> PictureRecord | None:
    """The rendering of a scene's plane; None where its source does not say it."""
    source: Any = None if scene is None else scene.source
    if isinstance(source, DrawnSource):
        return None
    rendering, plane = getattr(source, "rendering", None), getattr(source, "plane", None)
    if not isinstance(rendering, Rendering) or plane is None:
        return None
    return PictureRecord(
        (plane.row_axis, plane.col_axis),
        plane.channel_axis,
        tuple(plane.position),
        tuple(
            (channel.index, channel.colour, channel.low, channel.high, channel.gamma)
            for channel in rendering.channels
        ),
    )


def lies_where(mask: Patch, plane: LayerPlane, change: LabelDiff, label: int) -> bool:
    """True when the change's pixels of `label` are pixels of the mask, at the same place."""
    others = [axis for axis in range(len(plane.index)) if axis not in plane.axes]
    if len(change.start) != len(plane.index) or any(
        change.start[axis] != plane.index[axis] or change.pixels.shape[axis] != 1 for axis in others
    ):
        return False
    (top, left), (height, width) = (
        [values[axis] for axis in plane.axes] for values in (change.start, change.pixels.shape)
    )
    written = change.pixels.copy()
    written[change.pixels] = np.asarray(change.after) == label
    return not (written.reshape(height, width) & ~mask.read(Window(top, left, height, width))).any()
