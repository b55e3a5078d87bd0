"""The session: the user's steps in order, and their results.

It holds the current object, the history and the runner, and announces changes through signals. All
methods belong to one thread, which the runner's messages are delivered to as well (`receive`).
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING

from psygnal import Signal

from napari_cfr_icl._errors import CfrIclError, MaskError, OutputError
from napari_cfr_icl.engine.clicks import Clicks
from napari_cfr_icl.session.history import CHANGED_LABELS, History
from napari_cfr_icl.session.labels import LEFT_OUT, LabelEdit, write_object, write_others
from napari_cfr_icl.session.objects import ObjectState, Scene
from napari_cfr_icl.session.propagator import Propagator
from napari_cfr_icl.session.runner import (
    Failed,
    Finished,
    Message,
    Prepared,
    Preparing,
    Request,
    Runner,
    Stepped,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Sequence

    from napari_cfr_icl.engine.windows import Patch, Window
    from napari_cfr_icl.session.protocols import LabelPlane, PredictorLike


class Session:
    """One user's work with one predictor: clicks, masks, finished objects, undo and redo.

    `object_changed` is emitted with the current `ObjectState` whenever the user changed it; `timed`
    with the seconds of each pass over it, then `stepped` with its `Answer` and object;
    `busy_changed` and `preparing_changed` with a bool; `wrote` with the id of a written object, and
    the object; `failed` with an Exception; `inspected` with each `Answer` of `inspect`, and None
    after the last. `propagation` takes the current object to other planes, with its own signals.

    Parameters
    ----------
    make_predictor : callable
        Makes the predictor for `engine`; called in the runner's thread.
    deliver : callable
        Brings a message from the runner's thread into this one and calls `receive` with it.
    settle : callable, optional
        Called in the runner's thread before each prediction, to wait for the click to be drawn.
    """

    object_changed = Signal(ObjectState)
    stepped = Signal(object, ObjectState)
    timed = Signal(float)
    busy_changed = Signal(bool)
    preparing_changed = Signal(bool)
    wrote = Signal(int, ObjectState)
    failed = Signal(Exception)
    inspected = Signal(object)

    def __init__(
        self,
        make_predictor: Callable[[Hashable], PredictorLike],
        deliver: Callable[[Message], None],
        settle: Callable[[], None] | None = None,
    ) -> None:
        self._runner = Runner(make_predictor, deliver, settle=settle)
        self.do_when_idle = self._runner.do_when_idle
        self._history = History()
        self._state = ObjectState()
        self._engine: Hashable = None
        self._asked: int | None = None
        self._waiting_store: LabelPlane | None = None
        self._inspection = -1
        self._busy = False
        self._preparing = False
        self.propagation = Propagator(self)
        self._mask: Patch | None = None
        self._masked: tuple[object, float] = (None, -1.0)
        self.threshold = 0.5
        self.protect = True

    @property
    def state(self) -> ObjectState:
        """The current object."""
        return self._state

    @property
    def mask(self) -> Patch | None:
        """The current object's newest mask, a patch of bool; the same one until it changes."""
        key = (self._state.shown, self.threshold)
        if key != self._masked:
            self._mask, self._masked = self._state.mask(self.threshold), key
        return self._mask

    @property
    def shown_mask(self) -> Patch | None:
        """The mask of the current object and of all that are written with it."""
        return self._state.united_mask(self.threshold) if self._state.others else self.mask

    @property
    def is_busy(self) -> bool:
        """True while a prediction is under way."""
        return self._busy

    @property
    def is_preparing(self) -> bool:
        """True while a predictor is being made, even for a request that was cancelled."""
        return self._preparing

    @property
    def can_undo(self) -> bool:
        """True when there is a step to undo."""
        return self._history.can_undo

    @property
    def can_redo(self) -> bool:
        """True when there is an undone step."""
        return self._history.can_redo

    def set_clicks(self, clicks: Clicks, scene: Scene, view: Window | None = None) -> None:
        """Change the current object's clicks, which may be added, removed or moved, and its mask.

        An added click goes on from the last mask. After any other change the answers to the clicks
        before the first changed one still hold: the newest of them is fed back, in one pass with
        all the clicks. So nothing of a removed click remains in the mask.

        Parameters
        ----------
        clicks : Clicks
            All of them.
        scene : Scene
            Their plane.
        view : Window, optional
            The part of it that is on the screen.
        """
        if clicks == self._state.clicks:
            return
        if not clicks and self._state.base is None:
            # An object without clicks is a dropped one.
            self._enter(self._state.replaced(ObjectState()), record=True)
            return
        self._enter(self._state.with_clicks(clicks, scene, view), record=True)

    def show(self, scene: Scene) -> None:
        """Take the current object's pixels from the same plane, drawn differently."""
        if self._state.is_empty or self._state.scene is None:
            return
        if scene.plane != self._state.scene.plane:
            raise ValueError("the object is on another plane")
        self._state = replace(self._state, scene=scene)
        self.predict_again()

    def use_engine(self, engine: Hashable) -> None:
        """Predict with another network or other settings: this object at once."""
        if engine == self._engine:
            return
        self._engine = engine
        if self._state.clicks:
            self.predict_again()
        else:
            self.propagation.cancel()
            self._request(Request(engine, None, Clicks()))

    def predict_again(self) -> None:
        """Request the mask of the current clicks again. Not a step of its own in the history.

        A write that waits for the mask waits for the new one.
        """
        if self._state.clicks:
            self._enter(self._state.with_answer(None), record=False)

    def take(self, state: ObjectState, edits: Sequence[LabelEdit] = ()) -> None:
        """Make `state` the current object and edit the labels, all or nothing: one undo step."""
        with ExitStack() as on_failure:
            for edit in edits:
                edit.apply()
                on_failure.callback(edit.revert)
            on_failure.pop_all()
        self._enter(self._state.replaced(state), record=True)
        for edit in edits:
            self._history.extend(edit)

    def write(self, store: LabelPlane) -> None:
        """Write the current object into the labels and begin the next one.

        While the newest click has no answer yet, this waits for it.

        Parameters
        ----------
        store : LabelPlane
            Destination of a new object; one that came from other labels returns to those.

        Raises
        ------
        OutputError
            When the labels cannot take it; nothing has changed then.
        MaskError
            When the object has no pixel that could be written.
        """
        if self._state.is_empty:
            return
        if self._state.is_waiting:
            self._waiting_store = store
            return
        self.write_and_enter(store, ObjectState())

    def write_and_enter(self, store: LabelPlane, state: ObjectState) -> int:
        """Write the current object, whose mask is known, and make `state` the current one.

        One step for undo, with all that are written with it. Returns the id; raises as `write`
        does. A `state` that has no id of its own but a mask is the same object, and gets this id.
        """
        whole, edits = self._state, []
        others = write_others(whole.others, store, self.threshold, protect=self.protect)
        with ExitStack() as on_failure:
            for other, other_id, other_edit in others:
                on_failure.callback(other_edit.revert)
                edits.append(other_edit)
                self.wrote.emit(other_id, other)
            label, edit = write_object(whole, self.mask, store, protect=self.protect)
            on_failure.pop_all()
        if state.base is not None and state.label is None:
            state = replace(state, label=label)
        self._enter(state, record=True, edit=edit)
        for other_edit in edits:
            self._history.extend(other_edit)
        self.wrote.emit(label, whole)
        if len(edits) < len(whole.others):
            self.failed.emit(MaskError(LEFT_OUT))
        return label

    def extend(self, edit: LabelEdit) -> None:
        """Make a change as a part of the last step, which is undone with it."""
        edit.apply()
        self._history.extend(edit)

    def request_mask(
        self, scene: Scene, prompt: tuple[Clicks, Patch, Window], keep: Callable[[Patch], Patch]
    ) -> None:
        """Request the mask of an object that is not the current one, for `propagation`."""
        self._request(Request(self._engine, scene.source, *prompt, keep))

    def inspect(self, engine: Hashable) -> bool:
        """Repeat the inner loop of the newest click with `engine`, to be inspected.

        `inspected` is emitted with each answer, and with None after the last. The object stays as
        it is, and the next request ends the inspection. Returns False while the click itself has no
        answer.
        """
        state = self._state
        if self._busy or state.scene is None or not state.clicks or state.answer is None:
            return False
        self._inspection = self._runner.newest + 1
        self._runner.submit(
            Request(engine, state.scene.source, state.clicks, state.previous, state.view)
        )
        return True

    def cancel_request(self) -> None:
        """Cancel the pending request."""
        self._runner.stop()
        self._set_busy(False)

    def drop(self) -> None:
        """Drop the current object; undo brings it back."""
        if not self._state.is_empty:
            self._enter(ObjectState(), record=True)

    def undo(self) -> None:
        """Undo the last step: a click, a written or a dropped object.

        Raises
        ------
        OutputError
            When labels of the step have another shape now; the rest of it is undone.
        """
        if self.can_undo:
            self._enter(self._history.undo(self._state), record=False)
            self._report_stranded()

    def redo(self) -> None:
        """Redo the last undone step; raises as `undo` does."""
        if self.can_redo:
            self._enter(self._history.redo(self._state), record=False)
            self._report_stranded()

    def forget_steps(self) -> None:
        """Clear the history: the layers that its steps were made on are gone."""
        self._history.clear()
        self.object_changed.emit(self._state)

    def close(self, timeout: float = 1.0) -> bool:
        """Stop the runner's thread; returns True if it ended within `timeout` seconds."""
        return self._runner.close(timeout)

    def receive(self, message: Message) -> None:
        """Handle a message of the runner; stale answers are dropped."""
        if isinstance(message, Preparing | Prepared):
            # Loading goes on, even for a request that was cancelled.
            self._set_preparing(isinstance(message, Preparing))
            return
        if message.number != self._runner.newest:
            return
        if message.number == self._inspection:
            self._receive_inspection(message)
            return
        if self.propagation.is_under_way:
            self.propagation.receive(message)
            return
        match message:
            case Stepped(answer=answer, seconds=seconds):
                self._state = self._state.with_answer(answer, self._asked)
                self.timed.emit(seconds)
                asked = self._state if self._asked is None else self._state.others[self._asked]
                self.stepped.emit(answer, asked)
            case Finished():
                self._ask_next()
            case Failed(error=error):
                self._set_busy(False)
                self._waiting_store = None
                self.failed.emit(error)

    def _report_stranded(self) -> None:
        if self._history.stranded:
            raise OutputError(CHANGED_LABELS)

    def _receive_inspection(self, message: Message) -> None:
        match message:
            case Stepped(answer=answer):
                self.inspected.emit(answer)
            case Finished():
                self.inspected.emit(None)
            case Failed(error=error):
                self.failed.emit(error)

    def _write_if_waiting(self) -> None:
        store, self._waiting_store = self._waiting_store, None
        if store is None:
            return
        try:
            self.write(store)
        except CfrIclError as error:
            # No caller is left to catch it.
            self.failed.emit(error)

    def _enter(self, state: ObjectState, *, record: bool, edit: LabelEdit | None = None) -> None:
        """Make `state` the current one, and request its mask unless it is known."""
        if self.propagation.is_under_way:
            self.propagation.cancel()
        if record or state.clicks != self._state.clicks:
            self._waiting_store = None
        before, self._state = self._state, state
        history = self._history
        for cached in history.record(before, state, edit) if record else history.retire(state):
            self._runner.do_when_idle(cached.shrink)
        # Before the request: in a synchronous run the answer comes inside `_request`.
        self.object_changed.emit(state)
        self._asked = None
        if state.clicks and state.answer is None:
            self._ask(state)
        elif state.unfinished() is None:
            self.cancel_request()
        else:
            self._ask_next()

    def _ask_next(self) -> None:
        """Request the mask of the next object that is written with the current one."""
        self._asked = self._state.unfinished()
        if self._asked is not None:
            self._ask(self._state.others[self._asked])
        else:
            self._set_busy(False)
            self._write_if_waiting()

    def _ask(self, state: ObjectState) -> None:
        source = state.scene.source if state.scene is not None else None
        self._request(Request(self._engine, source, state.clicks, state.previous, state.view))

    def _request(self, request: Request) -> None:
        self._set_busy(True)
        self._runner.submit(request)

    def _set_busy(self, busy: bool) -> None:
        if busy != self._busy:
            self._busy = busy
            self.busy_changed.emit(busy)

    def _set_preparing(self, preparing: bool) -> None:
        if preparing != self._preparing:
            self._preparing = preparing
            self.preparing_changed.emit(preparing)
