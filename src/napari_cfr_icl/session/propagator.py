"""Propagation of the current object through the planes of a stack.

The network's answers come one plane at a time; the changes of the labels, and the end of the
propagation, are decided between two of them, in the session's own thread.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from psygnal import Signal

from napari_cfr_icl._errors import CfrIclError, MaskError
from napari_cfr_icl.session.labels import object_around, writing
from napari_cfr_icl.session.objects import ObjectState
from napari_cfr_icl.session.propagation import Limits, PlaneTarget, Reason, Report, handed_on
from napari_cfr_icl.session.runner import Failed, Message, Stepped

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from psygnal import SignalInstance

    from napari_cfr_icl.engine.clicks import Clicks
    from napari_cfr_icl.engine.windows import Patch, Window
    from napari_cfr_icl.session.labels import LabelEdit
    from napari_cfr_icl.session.objects import Scene
    from napari_cfr_icl.session.protocols import Answer, LabelPlane


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

    def request_mask(self, scene: Scene, clicks: Clicks, previous: Patch, view: Window) -> None:
        """Request the mask of an object that is not the current one."""

    def cancel_request(self) -> None:
        """Cancel the pending request."""


@dataclass(slots=True, eq=False)
class _Progress:
    """State of a propagation under way.

    Parameters
    ----------
    store : LabelPlane
        Destination of a new object on the plane that it leaves.
    mask : Patch of bool
        The object on the last plane that it reached.
    ahead : iterator of PlaneTarget
        Taken one at a time, for there may be thousands.
    limits : Limits or None
        For a fill; None carries the object to the first target.
    label : int or None
        Its id; None while it has none.
    """

    store: LabelPlane
    mask: Patch
    ahead: Iterator[PlaneTarget]
    limits: Limits | None = None
    label: int | None = None
    here: PlaneTarget | None = None
    answer: Answer | None = None
    planes: int = 0


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
        return self._progress is not None and self._progress.limits is not None

    def carry(self, store: LabelPlane, target: PlaneTarget) -> None:
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

        Raises
        ------
        MaskError
            When there is no mask to start from.
        """
        mask, label = self._mask(), self._host.state.label
        self.cancel()
        self._progress = _Progress(store, mask, iter([target]), label=label)
        self._advance()

    def fill(
        self, store: LabelPlane, targets: Iterable[PlaneTarget], limits: Limits | None = None
    ) -> None:
        """Write the current object, and on through other planes, each mask made from the last.

        One step for undo. Ends before a plane that has the object already.

        Parameters
        ----------
        store : LabelPlane
            Destination of a new object.
        targets : iterable of PlaneTarget
            The planes, the next one first; taken one at a time.
        limits : Limits, optional
            Largest changes of the object; a larger one stops the fill.

        Raises
        ------
        MaskError
            When there is no mask to start from, or no pixel of it can be written.
        OutputError
            When the labels cannot take it; nothing has changed then.
        """
        mask = self._mask()
        label = self._host.write_and_enter(store, ObjectState())
        self._progress = _Progress(store, mask, iter(targets), limits or Limits(), label)
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
            case Stepped(answer=answer) if progress.answer is None:
                # The first pass is the answer: more of them lean on the mask of the other plane
                # again, and find less (benchmarks/stack.py).
                progress.answer = answer
                self._advance()
            case Failed(error=error):
                self._fail(error)

    def _mask(self) -> Patch:
        """The current object's mask, once it is known."""
        mask = self._host.mask
        if mask is None or self._host.state.is_waiting or not mask.values.any():
            raise MaskError("There is no object to take along: click one first.")
        return mask

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
        progress.here = next(progress.ahead, None)
        if progress.here is None:
            self._end("done")
        elif (found := _object_at(progress.here, progress)) is None:
            self._host.request_mask(progress.here.scene, *handed_on(progress.mask))
        elif progress.limits is None:
            self._arrive(progress, progress.here, found)
        else:
            self._end("met")
        # A listener to the arrival may have started another propagation.
        return self._progress is not progress or progress.answer is not None

    def _use(self, answer: Answer, progress: _Progress) -> None:
        """Apply the mask of a new plane: an end, the current object, or a plane filled."""
        target, progress.answer = progress.here, None
        if target is None:
            raise RuntimeError("an answer for no plane")
        mask = answer.probabilities.threshold(self._host.threshold)
        if not mask.values.any():
            self._end("ended")
        elif progress.limits is None or progress.label is None:
            self._arrive(progress, target, mask)
        elif not progress.limits.allow(progress.mask, mask):
            self._end("changed")
        else:
            self._fill_plane(progress, target, mask, progress.label)

    def _fill_plane(
        self, progress: _Progress, target: PlaneTarget, mask: Patch, label: int
    ) -> None:
        edit = writing(target.store, mask, label, protect=self._host.protect)
        if edit is None:
            self._end("covered")
            return
        self._host.extend(edit)
        progress.mask = mask
        progress.planes += 1
        self.filled.emit(progress.planes)

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

    def _end(self, reason: Reason) -> None:
        progress, self._progress = self._progress, None
        self._host.cancel_request()
        if progress is not None:
            self.ended.emit(Report(reason, progress.planes, progress.limits is not None))

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
