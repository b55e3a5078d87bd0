"""Undo and redo over frozen snapshots of the current object and the edits of the labels."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_cfr_icl.session.labels import Edits

if TYPE_CHECKING:
    from napari_cfr_icl.session.answer_cache import CachedAnswer
    from napari_cfr_icl.session.labels import Edit
    from napari_cfr_icl.session.objects import ObjectState


REACH = 8
"""Steps on either side of the present whose answers stay as they came."""


@dataclass(frozen=True, slots=True, eq=False)
class HistoryStep:
    """One thing the user did.

    Parameters
    ----------
    state : ObjectState
        The current object on the other side of the step: before it while the step can be undone,
        after it while it can be redone.
    edit : Edit or None
        What it wrote into the labels.
    """

    state: ObjectState
    edit: Edit | None = None


class History:
    """Steps that can be undone and redone.

    Of the labels it holds patches, never whole planes. But a step's object holds the pixels of the
    image that it lies on: whoever lets go of an image for good calls `clear`.

    Parameters
    ----------
    limit : int, optional
        Most steps that are kept; the oldest are forgotten.
    """

    def __init__(self, limit: int = 1000) -> None:
        self._past: deque[HistoryStep] = deque(maxlen=limit)
        self._future: list[HistoryStep] = []

    @property
    def can_undo(self) -> bool:
        """Whether there is a step to take back."""
        return bool(self._past)

    @property
    def can_redo(self) -> bool:
        """Whether there is a step to do again."""
        return bool(self._future)

    def clear(self) -> None:
        """Forget all steps, and the images and labels that they were made on."""
        self._past.clear()
        self._future.clear()

    def record(self, before: ObjectState, edit: Edit | None = None) -> None:
        """Remember the state before a new step; what was undone can no longer be redone."""
        self._past.append(HistoryStep(before, edit))
        self._future.clear()

    def extend(self, edit: Edit) -> None:
        """Let the last step have changed this too: it is undone and redone with it.

        Raises
        ------
        IndexError
            When there is no step.
        """
        last = self._past[-1]
        parts = () if last.edit is None else (last.edit,)
        self._past[-1] = HistoryStep(last.state, Edits((*parts, edit)))

    def retire(self, present: ObjectState) -> list[CachedAnswer]:
        """Let the answers of the steps that have come out of reach retire; returns those.

        To be called after every step, undo and redo: each brings one step on either side out of
        reach.
        """
        far = [side[-REACH - 1].state for side in (self._past, self._future) if len(side) > REACH]
        needed = present.answers[-1:]
        retired = [
            kept
            for state in far
            for kept in state.answers
            if kept is not None and kept not in needed and not kept.is_small
        ]
        for kept in retired:
            kept.retire()
        return retired

    def undo(self, present: ObjectState) -> ObjectState:
        """Take the last step back. Returns the state before it.

        Raises
        ------
        IndexError
            When there is no step to take back.
        """
        step = self._past[-1]
        if step.edit is not None:
            step.edit.revert()
        self._past.pop()
        self._future.append(HistoryStep(present, step.edit))
        return step.state

    def redo(self, present: ObjectState) -> ObjectState:
        """Do the last undone step again. Returns the state after it.

        Raises
        ------
        IndexError
            When there is no undone step.
        """
        step = self._future[-1]
        if step.edit is not None:
            step.edit.apply()
        self._future.pop()
        self._past.append(HistoryStep(present, step.edit))
        return step.state
