"""The current object as a frozen value: its clicks and the answers to them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from napari_cfr_icl.engine.clicks import Clicks
from napari_cfr_icl.engine.windows import Patch, Window, united
from napari_cfr_icl.session.answer_cache import CachedAnswer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_cfr_icl.session.protocols import Answer, LabelPlane


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """The plane that is clicked on, and the source of its pixels.

    Parameters
    ----------
    plane : Any
        Identifies the plane of the image; clicks belong to the object only on the same plane.
    source : object
        The pixels, as the predictor takes them. Frozen: never a layer or a widget.
    shape : tuple of int
        (rows, columns) of the plane.
    """

    plane: Any
    source: Any
    shape: tuple[int, int]

    def holds(self, row: float, col: float) -> bool:
        """True when the place is on the plane, which begins at -0.5."""
        return -0.5 <= row < self.shape[0] - 0.5 and -0.5 <= col < self.shape[1] - 0.5


@dataclass(frozen=True, slots=True, eq=False)
class ObjectState:
    """The current object. Immutable; every edit makes another.

    Parameters
    ----------
    scene : Scene or None
        Its plane; None before its first click.
    clicks : Clicks
        Its clicks, oldest first.
    answers : tuple of CachedAnswer or None
        One for each click: the last answer that was seen while that click was the newest. An answer
        that has not come yet is None. The answers to the clicks before an edited one stay, so
        undoing and deleting the newest click bring back the very same mask without a pass.
    base : Patch or None
        The mask it started from, for an object that was there before.
    written : Patch or None
        The pixels that it has in the labels, where the user has painted another base since.
    label : int or None
        The id it keeps; None takes the next free one.
    origin : LabelPlane or None
        The label plane that it came from and goes back to; None for the one that the user chose.
    view : Window or None
        The part of the plane that was on the screen when the clicks were made, or a gesture's own.
    others : tuple of ObjectState
        The objects that were begun before it and are written with it; they have no others.
    """

    scene: Scene | None = None
    clicks: Clicks = field(default_factory=Clicks)
    answers: tuple[CachedAnswer | None, ...] = ()
    base: Patch | None = None
    written: Patch | None = None
    label: int | None = None
    origin: LabelPlane | None = None
    view: Window | None = None
    others: tuple[ObjectState, ...] = ()

    @property
    def is_empty(self) -> bool:
        """True without clicks and mask."""
        return not self.clicks and self.base is None

    @property
    def is_waiting(self) -> bool:
        """True while the newest click has no answer, or another object is unfinished."""
        alone = bool(self.clicks) and self.answers[-1] is None
        return alone or any(other.is_unfinished for other in self.others)

    @property
    def is_unfinished(self) -> bool:
        """True while there is more to come of the answer to the newest click."""
        return bool(self.clicks) and (self.answer is None or self.answer.stopped == "running")

    @property
    def answer(self) -> Answer | None:
        """The answer to all clicks, or None while it has not come."""
        newest = self.answers[-1] if self.answers else None
        return None if newest is None else newest.answer

    @property
    def previous(self) -> Answer | Patch | None:
        """The mask that is fed back: the last answer before the newest click, or the base."""
        return _last(self.answers[:-1]) or self.base

    @property
    def shown(self) -> Answer | Patch | None:
        """The newest mask there is, perhaps of older clicks, or None."""
        if not self.clicks:
            return self.base
        return _last(self.answers) or self.base

    def with_clicks(self, clicks: Clicks, scene: Scene, view: Window | None = None) -> ObjectState:
        """The same object with other clicks; the answers to the unchanged first ones are kept."""
        same = 0
        while same < min(len(clicks), len(self.clicks)) and clicks[same] == self.clicks[same]:
            same += 1
        answers = self.answers[:same] + (None,) * (len(clicks) - same)
        return replace(self, scene=scene, clicks=clicks, answers=answers, view=view)

    def painted(self, mask: Patch, scene: Scene) -> ObjectState:
        """The same object with a mask that the user has painted; `scene` is for a new one.

        The clicks made the mask what it was and are done with; further ones correct this one.
        """
        return replace(
            self,
            scene=self.scene or scene,
            clicks=Clicks(),
            answers=(),
            base=mask,
            written=self.in_labels,
        )

    def drawn(
        self, clicks: Clicks, mask: Patch | None, scene: Scene, view: Window | None
    ) -> ObjectState:
        """The same object with the prompt of a gesture, to be answered in one go.

        Parameters
        ----------
        clicks : Clicks
            Those of the gesture, after the object's own; instead of them where there is a mask.
        mask : Patch or None
            Probabilities to feed back instead of the object's mask.
        scene : Scene
            The plane of a new object.
        view : Window or None
            The part of the plane to look at.
        """
        if mask is None:
            every = Clicks((*self.clicks, *clicks))
            return self.with_clicks(every, self.scene or scene, view)
        return self.painted(mask, scene).with_clicks(clicks, self.scene or scene, view)

    def and_another(self, other: ObjectState) -> ObjectState:
        """Another object, which is the current one now, and is written together with this one."""
        if self.is_empty:
            return other
        return replace(other, others=(*self.others, replace(self, others=())))

    def replaced(self, state: ObjectState) -> ObjectState:
        """`state` instead of this object; the others stay, and one of them fills its place."""
        if not self.others:
            return state
        if state.is_empty:
            return replace(self.others[-1], others=self.others[:-1])
        return replace(state, others=state.others or self.others)

    @property
    def in_labels(self) -> Patch | None:
        """The pixels that an object has in the labels that it came from."""
        return self.written or self.base

    def with_answer(self, answer: Answer | None, number: int | None = None) -> ObjectState:
        """The same with another answer to the newest click; None asks for it again.

        With a `number` it is the answer to that one of `others`.
        """
        if number is not None:
            others = list(self.others)
            others[number] = others[number].with_answer(answer)
            return replace(self, others=tuple(others))
        cached = None if answer is None else CachedAnswer(answer)
        return replace(self, answers=(*self.answers[:-1], cached))

    def unfinished(self) -> int | None:
        """Index of the next of `others` that is unfinished; None if none is."""
        found = (n for n, other in enumerate(self.others) if other.is_unfinished)
        return next(found, None)

    def mask(self, threshold: float) -> Patch | None:
        """The object's pixels: `shown` above `threshold`, as a patch of bool."""
        shown = self.shown
        if shown is None:
            return None
        if isinstance(shown, Patch):
            return shown.threshold(threshold) if shown.values.dtype != bool else shown
        return shown.probabilities.threshold(threshold)

    def united_mask(self, threshold: float) -> Patch | None:
        """The pixels of the object and of all that are written with it."""
        every = [one.mask(threshold) for one in (self, *self.others)]
        masks = [mask for mask in every if mask is not None]
        return united(*masks) if masks else None


def _last(answers: Sequence[CachedAnswer | None]) -> Answer | None:
    return next((cached.answer for cached in reversed(answers) if cached is not None), None)
