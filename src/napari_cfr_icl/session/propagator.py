"""Propagation of the current object through the planes of a stack.

The network's answers come one plane at a time; the changes of the labels, and the end of the
propagation, are decided between two of them, in the session's own thread.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, Protocol

from psygnal import Signal

from napari_cfr_icl._errors import CfrIclError, MaskError
from napari_cfr_icl.session.fading import Fading
from napari_cfr_icl.session.labels import object_around, writing
from napari_cfr_icl.session.objects import ObjectState
from napari_cfr_icl.session.propagation import Limits, PlaneTarget, Reason, Report, handed_on
from napari_cfr_icl.session.runner import Failed, Message, Stepped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from psygnal import SignalInstance

    from napari_cfr_icl.engine.clicks import Clicks
    from napari_cfr_icl.engine.windows import Patch, Window
    from napari_cfr_icl.session.labels import LabelEdit
    from napari_cfr_icl.session.objects import Scene
    from napari_cfr_icl.session.protocols import LabelPlane


class PropagationHost(Protocol):
    """The part of a `Session` that a propagation works on."""

    threshold: float
    protect: bool

    @property
    def state(self) -> ObjectState:
        """The current object."""

    @property
    def mask(self) -> Patch | None:
        """Its newest mask, a patch of bool."""

    @property
    def failed(self) -> SignalInstance:
        """Emitted with an Exception."""

    def write_and_enter(self, store: LabelPlane, state: ObjectState) -> int:
        """Write the current object and make `state` the current one; returns the id."""

    def extend(self, edit: LabelEdit) -> None:
        """Make a change that belongs to the last step."""

    def request_mask(
        self, scene: Scene, prompt: tuple[Clicks, Patch, Window], keep: Callable[[Patch], Patch]
    ) -> None:
        """Request the mask of an object that is not the current one."""

    def cancel_request(self) -> None:
        """Cancel the pending request."""


class _Found(NamedTuple):
    """Masks of bool on a new plane: the network's, and the part of it that has not faded."""

    raw: Patch
    kept: Patch


@dataclass(slots=True, eq=False)
class _Progress:
    """State of a propagation under way.

    Parameters
    ----------
    store : LabelPlane
        Destination of a new object on the plane that it leaves.
    mask : Patch of bool
        The object on the last plane that it reached.
    ways : list of iterator of PlaneTarget
        The way it is on, and those that follow. Targets are taken one at a time, for there may be
        thousands.
    limits : Limits
        Largest changes of the object.
    first : Fading
        The object where it began; cuts off what has faded.
    label : int or None
        Its id; None while it has none.
    fills : bool
        False carries the object to the first target.
    """

    store: LabelPlane
    mask: Patch
    ways: list[Iterator[PlaneTarget]]
    limits: Limits
    first: Fading
    label: int | None
    fills: bool = False
    here: PlaneTarget | None = None
    answer: _Found | None = None
    planes: int = 0
    ended: tuple[tuple[Reason, int], ...] = ()

    @property
    def total(self) -> int:
        """Planes written on all ways."""
        return self.planes + sum(planes for _, planes in self.ended)


class Propagator:
    """Takes a session's current object to other planes: to one (`carry`), or through many (`fill`).

    `ended` is emitted with a `Report` at the end of a propagation, `filled` with the number of
    planes that a fill has written so far. Any other request to the session ends a propagation.

    Parameters
    ----------
    host : PropagationHost
        The session.
    """

    ended = Signal(Report)
    filled = Signal(int)

    def __init__(self, host: PropagationHost) -> None:
        self._host = host
        self._progress: _Progress | None = None
        self._advancing = False

    @property
    def is_under_way(self) -> bool:
        """True while an object is propagated."""
        return self._progress is not None

    @property
    def is_filling(self) -> bool:
        """True while planes are filled."""
        return self._progress is not None and self._progress.fills

    def carry(self, store: LabelPlane, target: PlaneTarget, limits: Limits | None = None) -> None:
        """Take the current object to a neighbouring plane, to be viewed and corrected there.

        Its mask is refined on the other plane. Then it is written where it was, and is the current
        object there, with its id; one step for undo. Where it is on that plane already, it is taken
        as it is. When nothing is found there, nothing has changed.

        Parameters
        ----------
        store : LabelPlane
            Destination of a new object.
        target : PlaneTarget
            The other plane.
        limits : Limits, optional
            Of these the smallest contrast counts.

        Raises
        ------
        MaskError
            When there is no mask to start from.
        """
        limits = limits or Limits()
        first, label = self._first(limits), self._host.state.label
        self.cancel()
        self._progress = _Progress(store, first.mask, [iter([target])], limits, first, label)
        self._advance()

    def fill(
        self,
        store: LabelPlane,
        ways: Sequence[Iterable[PlaneTarget]],
        limits: Limits | None = None,
    ) -> None:
        """Write the current object, and on through other planes, each mask made from the last.

        One step for undo. A way ends before a plane that has the object already; the next one
        begins where the first did.

        Parameters
        ----------
        store : LabelPlane
            Destination of a new object.
        ways : sequence of iterable of PlaneTarget
            For each way the planes, the next one first; taken one at a time.
        limits : Limits, optional
            Largest changes of the object; a larger one ends the way.

        Raises
        ------
        MaskError
            When there is no mask to start from, or no pixel of it can be written.
        OutputError
            When the labels cannot take it; nothing has changed then.
        """
        limits = limits or Limits()
        first = self._first(limits)
        label = self._host.write_and_enter(store, ObjectState())
        ahead = [iter(way) for way in ways]
        self._progress = _Progress(store, first.mask, ahead, limits, first, label, fills=True)
        self._advance()

    def cancel(self) -> None:
        """End a propagation under way; the planes that it has written stay written."""
        if self._progress is not None:
            self._end("cancelled")

    def receive(self, message: Message) -> None:
        """Take the network's answer about the next plane."""
        progress = self._progress
        if progress is None:
            return
        match message:
            case Stepped(answer=answer, kept=kept) if progress.answer is None:
                # The first pass is the answer: more of them lean on the mask of the other plane
                # again, and find less (benchmarks/stack.py).
                threshold, raw = self._host.threshold, answer.probabilities
                progress.answer = _Found(
                    raw.threshold(threshold), (kept or raw).threshold(threshold)
                )
                self._advance()
            case Failed(error=error):
                self._fail(error)

    def _first(self, limits: Limits) -> Fading:
        """The current object's mask, once it is known, and what fades from it on."""
        mask, state = self._host.mask, self._host.state
        if mask is None or state.scene is None or state.is_waiting or not mask.values.any():
            raise MaskError("There is no object to take along: click one first.")
        return Fading(state.scene.source, mask, limits.least_contrast)

    def _advance(self) -> None:
        """Go as far as is possible without another answer."""
        if self._advancing:
            # In a synchronous run the answer comes during the request; the loop below sees it.
            return
        self._advancing = True
        try:
            while self._progress is not None and self._step(self._progress):
                pass
        except CfrIclError as error:
            self._fail(error)
        except Exception:
            self._end("failed")
            raise
        finally:
            self._advancing = False

    def _step(self, progress: _Progress) -> bool:
        """Use an answer or request the next one; returns whether another step is possible now."""
        if progress.answer is not None:
            self._use(progress.answer, progress)
            return True
        progress.here = next(progress.ways[0], None)
        if progress.here is None:
            self._end_way("done")
        elif (found := _object_at(progress.here, progress)) is None:
            self._request(progress, progress.here.scene)
        elif progress.fills:
            self._end_way("met")
        else:
            self._arrive(progress, progress.here, found)
        # A listener to the arrival may have started another propagation.
        return (
            self._progress is not progress or progress.here is None or progress.answer is not None
        )

    def _request(self, progress: _Progress, scene: Scene) -> None:
        keep = partial(progress.first.kept, scene.source, threshold=self._host.threshold)
        self._host.request_mask(scene, handed_on(progress.mask), keep)

    def _use(self, found: _Found, progress: _Progress) -> None:
        """Apply the mask of a new plane: an end, the current object, or a plane filled."""
        target, progress.answer = progress.here, None
        if target is None:
            raise RuntimeError("an answer for no plane")
        if not found.kept.values.any():
            self._end_way("faded" if found.raw.values.any() else "ended")
        elif not progress.fills or progress.label is None:
            self._arrive(progress, target, found.kept)
        elif not progress.limits.allow(progress.mask, found.kept):
            self._end_way("changed")
        else:
            self._fill_plane(progress, target, found.kept, progress.label)

    def _fill_plane(
        self, progress: _Progress, target: PlaneTarget, mask: Patch, label: int
    ) -> None:
        edit = writing(target.store, mask, label, protect=self._host.protect)
        if edit is None:
            self._end_way("covered")
            return
        self._host.extend(edit)
        progress.mask = mask
        progress.planes += 1
        self.filled.emit(progress.total)

    def _arrive(self, progress: _Progress, target: PlaneTarget, base: Patch) -> None:
        """Make the object on the plane that it was carried to the current one."""
        state = ObjectState(target.scene, base=base, origin=target.store)
        # Entering a state cancels a propagation under way; this one has only to be written.
        self._progress = None
        try:
            self._host.write_and_enter(progress.store, state)
        except Exception:
            self._progress = progress
            raise
        self.ended.emit(Report("arrived", 0, fills=False))

    def _end_way(self, reason: Reason) -> None:
        """Start on the next way, from where the first began; end after the last."""
        progress = self._progress
        if progress is None or len(progress.ways) == 1:
            self._end(reason)
            return
        progress.ended = (*progress.ended, (reason, progress.planes))
        progress.planes, progress.here = 0, None
        progress.mask = progress.first.mask
        del progress.ways[0]

    def _end(self, reason: Reason) -> None:
        progress, self._progress = self._progress, None
        self._host.cancel_request()
        if progress is not None:
            ways = (*progress.ended, (reason, progress.planes))
            self.ended.emit(Report(reason, progress.total, progress.fills, ways))

    def _fail(self, error: Exception) -> None:
        self._host.failed.emit(error)
        self._end("failed")


def _object_at(target: PlaneTarget, progress: _Progress) -> Patch | None:
    """The object on a plane that it was on before, as a mask of the image's plane."""
    around = target.store.fit(progress.mask).bounds()
    if progress.label is None or around is None:
        return None
    found = object_around(target.store, progress.label, around)
    return None if found is None else target.store.to_image(found)
