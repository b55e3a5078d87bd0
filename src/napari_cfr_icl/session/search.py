"""The search for other objects of a kind, in the network's thread while nobody clicks."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from psygnal import Signal

from napari_cfr_icl.session.runner import Message

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from napari_cfr_icl.engine.finding.options import FindOptions
    from napari_cfr_icl.engine.finding.proposals import Exemplars, Proposal, SearchProgress
    from napari_cfr_icl.engine.windows import Patch, Window
    from napari_cfr_icl.session.objects import Scene


class FinderLike(Protocol):
    """The one method of `engine.finding.ObjectFinder` that the session needs."""

    def find(
        self,
        source: Any,
        exemplars: Exemplars,
        options: FindOptions | None = None,
        *,
        taken: Sequence[Patch] = (),
        region: Window | None = None,
    ) -> Iterator[Proposal | SearchProgress]:
        """Proposals, and the progress after each step."""


@dataclass(frozen=True, slots=True, eq=False)
class SearchRequest:
    """Input of a search; immutable. See `ObjectFinder.find`.

    Parameters
    ----------
    scene : Scene
        The plane to be searched.
    exemplars : Exemplars
        Examples and rejected proposals.
    taken : sequence of Patch of bool
        Further objects, which nothing is proposed on.
    region : Window
        The part of the plane that is searched.
    """

    scene: Scene
    exemplars: Exemplars
    taken: Sequence[Patch]
    region: Window


@dataclass(frozen=True, slots=True, eq=False)
class SearchStep(Message):
    """One step of the search of this `number`: its outcome, an error, or None at the end."""

    outcome: Proposal | SearchProgress | Exception | None


class Searcher:
    """Runs one search at a time, a step whenever no prediction is asked for.

    `stepped` is emitted with each `Proposal` and `SearchProgress`, `ended` with None at the end,
    with False when the search was stopped, and with an Exception when it failed.

    Parameters
    ----------
    do_when_idle : callable
        Runs a chore in the network's thread: `Session.do_when_idle`.
    make : callable
        Makes the finder; called in that thread.
    deliver : callable
        Brings a message from that thread into this one and calls `receive` with it.
    """

    stepped = Signal(object)
    ended = Signal(object)

    def __init__(
        self,
        do_when_idle: Callable[[Callable[[], None]], None],
        make: Callable[[], FinderLike],
        deliver: Callable[[Message], None],
    ) -> None:
        self._do_when_idle = do_when_idle
        self._make = make
        self._deliver = deliver
        self._newest = 0
        self.is_under_way = False

    def begin(self, request: SearchRequest) -> None:
        """Search; a search that is under way is stopped."""
        self.stop()
        self._newest += 1
        self.is_under_way = True
        self._do_when_idle(partial(self._step, self._newest, self._steps(request)))

    def stop(self) -> None:
        """End the search after the step under way."""
        if self.is_under_way:
            self._newest += 1
            self._end(outcome=False)

    def receive(self, message: SearchStep) -> None:
        """Handle a message; those of a search that was stopped are dropped."""
        if message.number != self._newest or not self.is_under_way:
            return
        if message.outcome is None or isinstance(message.outcome, Exception):
            self._end(message.outcome)
        else:
            self.stepped.emit(message.outcome)

    def _end(self, outcome: Exception | bool | None) -> None:
        self.is_under_way = False
        self.ended.emit(outcome)

    def _steps(self, request: SearchRequest) -> Iterator[Proposal | SearchProgress]:
        yield from self._make().find(
            request.scene.source, request.exemplars, taken=request.taken, region=request.region
        )

    def _step(self, number: int, steps: Iterator[Proposal | SearchProgress]) -> None:
        """Take one step in the runner's thread, and queue the next."""
        if number != self._newest:
            return
        outcome: Proposal | SearchProgress | Exception | None
        try:
            outcome = next(steps, None)
        except Exception as error:  # noqa: BLE001  a thread has no caller; the error is delivered
            outcome = error
        self._deliver(SearchStep(number, outcome))
        if not (outcome is None or isinstance(outcome, Exception)):
            self._do_when_idle(partial(self._step, number, steps))
