"""The session: what the user does, in order, and what comes of it.

It holds the current object, the history and the runner, and tells through signals what changed. All
methods belong to one thread, into which the runner's messages are brought as well (`receive`).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from psygnal import Signal

from napari_cfr_icl._errors import CfrIclError, MaskError
from napari_cfr_icl.engine.clicks import Clicks
from napari_cfr_icl.session.history import History
from napari_cfr_icl.session.labels import Edit, LabelEdit, LabelStore, holds, writing
from napari_cfr_icl.session.objects import ObjectState, Scene
from napari_cfr_icl.session.propagator import Propagator
from napari_cfr_icl.session.runner import (
    Failed,
    Finished,
    Message,
    PredictorLike,
    Prepared,
    Preparing,
    Request,
    Runner,
    Stepped,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from napari_cfr_icl.engine.windows import Patch, Window


class Session:
    """One user's work with one predictor: clicks, masks, finished objects, undo and redo.

    `object_changed` is emitted with the current `ObjectState` whenever clicks, mask or plane
    changed; `timed` with the seconds of each pass, `stepped` with its `Answer`; `busy_changed` and
    `preparing_changed` with a bool; `wrote` with the id of an object that was written; `failed`
    with an Exception. `travel` takes the current object to other planes, and has signals of its
    own.

    Parameters
    ----------
    make_predictor : callable
        Makes the predictor for `engine`; called in the runner's thread.
    deliver : callable
        Brings a message from the runner's thread into this one and calls `receive` with it.
    settle : callable, optional
        Called in the runner's thread before each prediction, to wait for what should come first.
    """

    object_changed = Signal(ObjectState)
    stepped = Signal(object)
    timed = Signal(float)
    busy_changed = Signal(bool)
    preparing_changed = Signal(bool)
    wrote = Signal(int)
    failed = Signal(Exception)
    looked = Signal(object)

    def __init__(
        self,
        make_predictor: Callable[[Hashable], PredictorLike],
        deliver: Callable[[Message], None],
        settle: Callable[[], None] | None = None,
    ) -> None:
        self._runner = Runner(make_predictor, deliver, settle=settle)
        self._history = History()
        self._state = ObjectState()
        self._engine: Hashable = None
        self._view: Window | None = None
        self._waiting_store: LabelStore | None = None
        self._looking = -1
        self._busy = False
        self._preparing = False
        self.travel = Propagator(self)
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
    def view(self) -> Window | None:
        """What the user was looking at when the clicks were made."""
        return self._view

    @property
    def is_busy(self) -> bool:
        """Whether a prediction is under way."""
        return self._busy

    @property
    def is_preparing(self) -> bool:
        """Whether a predictor is being made, be it for a request that nobody waits for now."""
        return self._preparing

    @property
    def can_undo(self) -> bool:
        """Whether there is a step to take back."""
        return self._history.can_undo

    @property
    def can_redo(self) -> bool:
        """Whether there is an undone step."""
        return self._history.can_redo

    def set_clicks(self, clicks: Clicks, scene: Scene, view: Window | None = None) -> None:
        """Give the current object these clicks; added, removed, moved: the mask follows.

        An added click goes on from the last mask. After any other change the answers to the clicks
        before the first changed one still hold: the newest of them is fed back, in one pass with
        all the clicks. So nothing of a click that was taken away remains in the mask.

        Parameters
        ----------
        clicks : Clicks
            All of them.
        scene : Scene
            The plane they are on.
        view : Window, optional
            What the user is looking at.
        """
        if clicks == self._state.clicks:
            return
        if not clicks and self._state.base is None:
            # An object that lost its last click is as good as dropped.
            self._enter(ObjectState(), record=True)
            return
        self._view = view
        self._enter(self._state.with_clicks(clicks, scene), record=True)

    def show(self, scene: Scene) -> None:
        """Take the current object's pixels from here now: the same plane, drawn differently."""
        if self._state.is_empty or self._state.scene is None:
            return
        if scene.plane != self._state.scene.plane:
            raise ValueError("the object is on another plane")
        self._state = replace(self._state, scene=scene)
        self.predict_again()

    def use_engine(self, engine: Hashable) -> None:
        """Predict with another network or other settings from now on, and this object at once."""
        if engine == self._engine:
            return
        self._engine = engine
        if self._state.clicks:
            self.predict_again()
        else:
            self.travel.cancel()
            self._ask(Request(engine, None, Clicks()))

    def predict_again(self) -> None:
        """Ask afresh for the mask of the current clicks. Not a step of its own in the history.

        A write that waits for the mask waits for the new one.
        """
        if self._state.clicks:
            self._enter(self._state.with_answer(None), record=False)

    def start_from(
        self, mask: Patch, label: int | None, scene: Scene, origin: LabelStore | None = None
    ) -> None:
        """Make an object that exists the current one, to be corrected; it keeps its id.

        Parameters
        ----------
        mask : Patch
            Where it is on the image's plane; the mask that is fed back to the network.
        label : int or None
            Its id.
        scene : Scene
            The plane.
        origin : LabelStore, optional
            Where it comes from and is written again; None for the labels that the user chose.
        """
        state = ObjectState(scene=scene, base=mask, label=label, origin=origin)
        self._enter(state, record=True)

    def write(self, store: LabelStore) -> None:
        """Write the current object into the labels and begin the next one.

        While the newest click has no answer yet, this waits for it.

        Parameters
        ----------
        store : LabelStore
            Where a new object goes; one that came from other labels goes back there.

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

    def write_and_enter(self, store: LabelStore, state: ObjectState) -> int:
        """Write the current object, whose mask is known, and make `state` the current one.

        One step for undo. Returns the id; raises as `write` does. A `state` that has no id of its
        own but a mask is the same object, and gets this id.
        """
        label, edit = self._written(store)
        if state.base is not None and state.label is None:
            state = replace(state, label=label)
        self._enter(state, record=True, edit=edit)
        self.wrote.emit(label)
        return label

    def extend(self, edit: Edit) -> None:
        """Make a change that belongs to the last step: it is undone with it."""
        edit.apply()
        self._history.extend(edit)

    def ask_for(self, scene: Scene, clicks: Clicks, previous: Patch, view: Window) -> None:
        """Ask for the mask of an object that is not the current one; `travel` gets the answer."""
        self._ask(Request(self._engine, scene.source, clicks, previous, view))

    def look(self, engine: Hashable) -> bool:
        """Run the inner loop of the newest click again, as `engine` has it, to be looked at.

        `looked` is emitted with each answer, and with None after the last. The object stays as it
        is, and whatever is asked for next ends the looking. Returns False while the click itself
        has no answer.
        """
        state = self._state
        if self._busy or state.scene is None or not state.clicks or state.answer is None:
            return False
        self._looking = self._runner.newest + 1
        self._runner.submit(
            Request(engine, state.scene.source, state.clicks, state.previous, self._view)
        )
        return True

    def rest(self) -> None:
        """Drop what was asked for."""
        self._runner.stop()
        self._set_busy(False)

    def drop(self) -> None:
        """Forget the current object; undo brings it back."""
        if not self._state.is_empty:
            self._enter(ObjectState(), record=True)

    def undo(self) -> None:
        """Take the last step back: a click, a written or a dropped object."""
        if self.can_undo:
            self._enter(self._history.undo(self._state), record=False)

    def redo(self) -> None:
        """Do the last undone step again."""
        if self.can_redo:
            self._enter(self._history.redo(self._state), record=False)

    def forget_steps(self) -> None:
        """Let nothing be undone any more: what the steps were made on is gone."""
        self._history.clear()
        self.object_changed.emit(self._state)

    def close(self, timeout: float = 1.0) -> bool:
        """Stop working and end the thread; returns whether it ended within `timeout` seconds."""
        return self._runner.close(timeout)

    def receive(self, message: Message) -> None:
        """Take a message of the runner; stale answers are dropped."""
        if isinstance(message, Preparing | Prepared):
            # The loading goes on, whether or not somebody still waits for what comes after it.
            self._set_preparing(isinstance(message, Preparing))
            return
        if message.number != self._runner.newest:
            return
        if message.number == self._looking:
            self._receive_look(message)
            return
        if self.travel.is_under_way:
            self.travel.receive(message)
            return
        match message:
            case Stepped(answer=answer, seconds=seconds):
                self._state = self._state.with_answer(answer)
                self.timed.emit(seconds)
                self.stepped.emit(answer)
                self.object_changed.emit(self._state)
            case Finished():
                self._set_busy(False)
                self._write_if_waiting()
            case Failed(error=error):
                self._set_busy(False)
                self._waiting_store = None
                self.failed.emit(error)

    def _written(self, store: LabelStore) -> tuple[int, LabelEdit | None]:
        """The current object's id, and the edit that has just put it into the labels.

        The edit is None where the very same pixels were there before.
        """
        state, mask = self._state, self.mask
        store = state.origin or store
        label = state.label if state.label is not None else store.next_label()
        edit = None
        if mask is not None:
            old = state.base.threshold(0.5) if state.base is not None else None
            edit = writing(store, mask, label, protect=self.protect, old=old)
        if edit is not None:
            edit.apply()
        elif mask is None or not holds(store, mask, label):
            raise MaskError(
                "There is nothing to write: the mask is empty or covered by other objects."
            )
        return label, edit

    def _receive_look(self, message: Message) -> None:
        match message:
            case Stepped(answer=answer):
                self.looked.emit(answer)
            case Finished():
                self.looked.emit(None)
            case Failed(error=error):
                self.failed.emit(error)

    def _write_if_waiting(self) -> None:
        store, self._waiting_store = self._waiting_store, None
        if store is None:
            return
        try:
            self.write(store)
        except CfrIclError as error:
            # Nobody is waiting for this call any more; the sentence goes where others go.
            self.failed.emit(error)

    def _enter(self, state: ObjectState, *, record: bool, edit: LabelEdit | None = None) -> None:
        """Make `state` the current one, and ask for its mask unless it is known."""
        self.travel.cancel()
        if record:
            self._history.record(self._state, edit)
        if record or state.clicks != self._state.clicks:
            self._waiting_store = None
        self._state = state
        for kept in self._history.retire(state):
            self._runner.do_when_idle(kept.shrink)
        # Told before asking: in a synchronous run the answer comes inside `_submit`.
        self.object_changed.emit(state)
        if state.clicks and state.answer is None:
            self._submit()
        else:
            self.rest()

    def _submit(self) -> None:
        state = self._state
        source = state.scene.source if state.scene is not None else None
        self.travel.cancel()
        self._ask(Request(self._engine, source, state.clicks, state.previous, self._view))

    def _ask(self, request: Request) -> None:
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
