"""The current object on its way through the planes of a stack.

The network's answers come one plane at a time; what they mean for the labels, and where the journey
ends, is decided between two of them, in the session's own thread.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from psygnal import Signal

from napari_cfr_icl._errors import CfrIclError, MaskError
from napari_cfr_icl.session.labels import object_around, writing
from napari_cfr_icl.session.objects import ObjectState
from napari_cfr_icl.session.propagation import Limits, PlaneTarget, Reason, Report, handed_on
from napari_cfr_icl.session.runner import Failed, Message, Stepped

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from napari_cfr_icl.engine.windows import Patch
    from napari_cfr_icl.session.labels import LabelStore
    from napari_cfr_icl.session.objects import Answer
    from napari_cfr_icl.session.session import Session


@dataclass(slots=True, eq=False)
class _Journey:
    """Where the object is by now.

    Parameters
    ----------
    store : LabelStore
        Where a new object is written on the plane that it leaves.
    mask : Patch of bool
        The object on the last plane it came to.
    ahead : iterator of PlaneTarget
        Taken one at a time, for there may be thousands.
    limits : Limits or None
        For a fill; None carries the object to the first station.
    label : int or None
        Its id; None while it has none.
    """

    store: LabelStore
    mask: Patch
    ahead: Iterator[PlaneTarget]
    limits: Limits | None = None
    label: int | None = None
    here: PlaneTarget | None = None
    answer: Answer | None = None
    has_answered: bool = False
    planes: int = 0


class Propagator:
    """Takes a session's current object to other planes: to one (`carry`), or through many (`fill`).

    `ended` is emitted with a `Report` when a journey is over, `filled` with the number of planes
    that a fill has written so far. Whatever else the session is asked to do ends a journey.

    Parameters
    ----------
    session : Session
        Whose object travels.
    """

    ended = Signal(Report)
    filled = Signal(int)

    def __init__(self, session: Session) -> None:
        self._session = session
        self._journey: _Journey | None = None
        self._going_on = False

    @property
    def is_under_way(self) -> bool:
        """Whether an object is travelling."""
        return self._journey is not None

    @property
    def is_filling(self) -> bool:
        """Whether it fills planes."""
        return self._journey is not None and self._journey.limits is not None

    def carry(self, store: LabelStore, goal: PlaneTarget) -> None:
        """Take the current object to a neighbouring plane, to be looked at and corrected there.

        Its mask is refined on the other plane. Then it is written where it was, and is the current
        object there, with its id; one step for undo. Where it is on that plane already, it is taken
        as it is. When nothing is found there, nothing has changed.

        Parameters
        ----------
        store : LabelStore
            Where a new object is written.
        goal : PlaneTarget
            The other plane.

        Raises
        ------
        MaskError
            When there is no mask to go on from.
        """
        mask, label = self._mask(), self._session.state.label
        self.cancel()
        self._journey = _Journey(store, mask, iter([goal]), label=label)
        self._go_on()

    def fill(
        self, store: LabelStore, stations: Iterable[PlaneTarget], limits: Limits | None = None
    ) -> None:
        """Write the current object, and on through other planes, each mask made from the last.

        One step for undo. Ends before a plane that has the object already.

        Parameters
        ----------
        store : LabelStore
            Where a new object is written.
        stations : iterable of PlaneTarget
            The planes, the next one first; taken one at a time.
        limits : Limits, optional
            When to stop because the object changed too much.

        Raises
        ------
        MaskError
            When there is no mask to go on from, or no pixel of it can be written.
        OutputError
            When the labels cannot take it; nothing has changed then.
        """
        mask = self._mask()
        label = self._session.write_and_enter(store, ObjectState())
        self._journey = _Journey(store, mask, iter(stations), limits or Limits(), label)
        self._go_on()

    def cancel(self) -> None:
        """End a journey that is under way; the planes that it has written stay so."""
        if self._journey is not None:
            self._end("cancelled")

    def receive(self, message: Message) -> None:
        """Take the network's answer about the plane that was come to."""
        journey = self._journey
        if journey is None:
            return
        match message:
            case Stepped(answer=answer) if not journey.has_answered:
                # The first pass is the answer: more of them lean on the mask of the other plane
                # again, and find less (benchmarks/stack.py).
                journey.answer, journey.has_answered = answer, True
                self._go_on()
            case Failed(error=error):
                self._fail(error)

    def _mask(self) -> Patch:
        """The current object's mask, once it is known."""
        mask = self._session.mask
        if mask is None or self._session.state.is_waiting or not mask.values.any():
            raise MaskError("There is no object to take along: click one first.")
        return mask

    def _go_on(self) -> None:
        """Go as far as is possible without another answer."""
        if self._going_on:
            # In a synchronous run the answer comes while it is asked for; the loop below sees it.
            return
        self._going_on = True
        try:
            while self._journey is not None and self._makes_a_step(self._journey):
                pass
        except CfrIclError as error:
            self._fail(error)
        except Exception:
            self._end("failed")
            raise
        finally:
            self._going_on = False

    def _makes_a_step(self, journey: _Journey) -> bool:
        """Deal with an answer or ask for the next one; whether more can be done at once."""
        if journey.has_answered:
            self._judge(journey)
            return True
        journey.here = next(journey.ahead, None)
        if journey.here is None:
            self._end("done")
        elif (found := _object_at(journey.here, journey)) is not None:
            if journey.limits is None:
                self._settle(journey, journey.here, found)
            else:
                self._end("met")
        else:
            self._session.ask_for(journey.here.scene, *handed_on(journey.mask))
        # Whoever heard that it arrived may have sent the object on.
        return self._journey is not journey or journey.has_answered

    def _judge(self, journey: _Journey) -> None:
        """What the mask on a new plane means: an end, the current object, or a plane filled."""
        station, answer = journey.here, journey.answer
        journey.answer, journey.has_answered = None, False
        if station is None or answer is None:
            raise RuntimeError("an answer without passes, or for no plane")
        mask = answer.probabilities.threshold(self._session.threshold)
        if not mask.values.any():
            self._end("ended")
        elif journey.limits is None or journey.label is None:
            self._settle(journey, station, mask)
        elif not journey.limits.allow(journey.mask, mask):
            self._end("changed")
        else:
            self._fill_plane(journey, station, mask, journey.label)

    def _fill_plane(self, journey: _Journey, station: PlaneTarget, mask: Patch, label: int) -> None:
        edit = writing(station.store, mask, label, protect=self._session.protect)
        if edit is None:
            self._end("covered")
            return
        self._session.extend(edit)
        journey.mask = mask
        journey.planes += 1
        self.filled.emit(journey.planes)

    def _settle(self, journey: _Journey, station: PlaneTarget, base: Patch) -> None:
        """Make the object on the plane that it was carried to the current one."""
        state = ObjectState(station.scene, base=base, origin=station.store)
        # Entering a state cancels a journey that is under way; this one has only to be written.
        self._journey = None
        try:
            self._session.write_and_enter(journey.store, state)
        except Exception:
            self._journey = journey
            raise
        self.ended.emit(Report("arrived", 0, fills=False))

    def _end(self, reason: Reason) -> None:
        journey, self._journey = self._journey, None
        self._session.rest()
        if journey is not None:
            self.ended.emit(Report(reason, journey.planes, journey.limits is not None))

    def _fail(self, error: Exception) -> None:
        self._session.failed.emit(error)
        self._end("failed")


def _object_at(station: PlaneTarget, journey: _Journey) -> Patch | None:
    """The travelling object on a plane that it was on before, as a mask of the image's plane."""
    around = station.store.fit(journey.mask).bounds()
    if journey.label is None or around is None:
        return None
    found = object_around(station.store, journey.label, around)
    return None if found is None else station.store.to_image(found)
