"""Undo and redo over frozen snapshots of the current object and the edits of the labels."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_cfr_icl.session.answer_cache import CachedAnswer
    from napari_cfr_icl.session.labels import LabelEdit
    from napari_cfr_icl.session.objects import ObjectState


CHANGED_LABELS = (
    "The labels have another shape now than when this was written: "
    "what it changed in them stays as it is."
)

MOST_STEPS = 1000
"""The oldest steps beyond them are forgotten."""

REACH = 8
"""Steps on either side of the present whose answers stay uncompressed."""


@dataclass(frozen=True, slots=True, eq=False)
class HistoryStep:
    """One step of the user.

    Parameters
    ----------
    state : ObjectState
        The current object on the other side of the step: before it while the step can be undone,
        after it while it can be redone.
    edits : tuple of LabelEdit
        Its changes of the labels, oldest first.
    """

    state: ObjectState
    edits: tuple[LabelEdit, ...]


class History:
    """Steps that can be undone and redone.

    Of the labels it holds patches, never whole planes. But a step's object holds the pixels of the
    image that it lies on: call `clear` when an image is released for good.

    Attributes
    ----------
    stranded : tuple of LabelEdit
        Edits of the step undone or redone last that were left out: their labels have another shape.
    """

    def __init__(self) -> None:
        self._past: deque[HistoryStep] = deque(maxlen=MOST_STEPS)
        self._future: list[HistoryStep] = []
        self.stranded: tuple[LabelEdit, ...] = ()

    @property
    def can_undo(self) -> bool:
        """True when there is a step to undo."""
        return bool(self._past)

    @property
    def can_redo(self) -> bool:
        """True when there is a step to redo."""
        return bool(self._future)

    def clear(self) -> None:
        """Forget all steps, and the images and labels that they were made on."""
        self._past.clear()
        self._future.clear()

    def record(
        self, before: ObjectState, present: ObjectState, edit: LabelEdit | None = None
    ) -> list[CachedAnswer]:
        """Remember the state before a new step; undone steps can no longer be redone.

        Returns the answers that have come out of reach, as `retire` does.
        """
        self._past.append(HistoryStep(before, () if edit is None else (edit,)))
        self._future.clear()
        return self.retire(present)

    def extend(self, edit: LabelEdit) -> None:
        """Add a change to the last step: it is undone and redone with it.

        Raises
        ------
        IndexError
            When there is no step.
        """
        last = self._past[-1]
        self._past[-1] = HistoryStep(last.state, (*last.edits, edit))

    def retire(self, present: ObjectState) -> list[CachedAnswer]:
        """Retire the answers of the steps that have come out of reach; returns those.

        To be called after undo and redo: each brings one step on either side out of reach.
        """
        far = [side[-REACH - 1].state for side in (self._past, self._future) if len(side) > REACH]
        needed = [one.answers[-1] for one in (present, *present.others) if one.answers]
        retired = [
            cached
            for state in far
            for one in (state, *state.others)
            for cached in one.answers
            if cached is not None and cached not in needed and not cached.is_small
        ]
        for cached in retired:
            cached.retire()
        return retired

    def undo(self, present: ObjectState) -> ObjectState:
        """Revert the last step. Returns the state before it.

        Raises
        ------
        IndexError
            When there is no step to undo.
        """
        step = self._past[-1]
        for edit in reversed(self._possible(step)):
            edit.revert()
        self._past.pop()
        self._future.append(HistoryStep(present, step.edits))
        return step.state

    def redo(self, present: ObjectState) -> ObjectState:
        """Repeat the last undone step. Returns the state after it.

        Raises
        ------
        IndexError
            When there is no undone step.
        """
        step = self._future[-1]
        for edit in self._possible(step):
            edit.apply()
        self._future.pop()
        self._past.append(HistoryStep(present, step.edits))
        return step.state

    def _possible(self, step: HistoryStep) -> list[LabelEdit]:
        """The edits of a step that can be made; the others are noted."""
        self.stranded = tuple(edit for edit in step.edits if not edit.store.is_there)
        return [edit for edit in step.edits if edit.store.is_there]
