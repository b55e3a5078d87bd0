"""Propagation of the current object through a stack: steps (keys J and K) and fills."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from weakref import WeakSet

from napari.layers import Image, Labels

from napari_cfr_icl._errors import CfrIclError
from napari_cfr_icl.engine.clicks import Clicks
from napari_cfr_icl.evaluation.protocol.eta import Eta
from napari_cfr_icl.gui.interaction.presenter import Presenter
from napari_cfr_icl.gui.interaction.workspace import Workspace, plane_of
from napari_cfr_icl.gui.layers.label_target import LabelStore
from napari_cfr_icl.gui.layers.planes import LayerPlane, neighbour
from napari_cfr_icl.gui.layers.stack_axes import StackAxes, StackAxis, channel_axis
from napari_cfr_icl.gui.threads.activity import Activity
from napari_cfr_icl.gui.views import messages
from napari_cfr_icl.gui.views.stack_panel import StackPanel
from napari_cfr_icl.session.objects import ObjectState
from napari_cfr_icl.session.propagation import PlaneTarget, Report
from napari_cfr_icl.session.session import Session


class PropagationController:
    """Starts propagations of the session, and shows their progress.

    Parameters
    ----------
    panel : StackPanel
        Shows what is possible, and the progress.
    session : Session
        Holds the current object and propagates it.
    workspace : Workspace
        The image and its planes.
    presenter : Presenter
        Shows hints and errors.
    home : callable
        Returns the labels that the current object is written into.
    reveal : callable
        Brings the plane of the current object onto the screen.
    """

    def __init__(
        self,
        panel: StackPanel,
        session: Session,
        workspace: Workspace,
        presenter: Presenter,
        home: Callable[[], LabelStore],
        reveal: Callable[[], None],
    ) -> None:
        self._panel = panel
        self._session = session
        self._workspace = workspace
        self._presenter = presenter
        self._home = home
        self._reveal = reveal
        self._axes = StackAxes()
        self._asked: WeakSet[Image] = WeakSet()
        self._panel.axis_chosen.connect(self._on_axis_chosen)
        self._waiting = 0
        self._awaited: Clicks | None = None
        self._planes = self._start = 0
        self._eta = Eta()
        self._activity = Activity(self._session.propagation.cancel, self._panel)
        self._session.object_changed.connect(self._on_object_changed)
        self._session.stepped.connect(self.show_stack)
        self._session.busy_changed.connect(self._on_busy_changed)
        self._session.propagation.filled.connect(self._show_filling)
        self._session.propagation.ended.connect(self._on_ended)

    def close(self) -> None:
        """Stop listening to the session."""
        self._session.object_changed.disconnect(self._on_object_changed)
        self._session.stepped.disconnect(self.show_stack)
        self._session.busy_changed.disconnect(self._on_busy_changed)
        self._session.propagation.filled.disconnect(self._show_filling)
        self._session.propagation.ended.disconnect(self._on_ended)
        self._activity.close()

    def show_stack(self) -> None:
        """Show the planes of the image, and what the current object allows."""
        image, plane = self._workspace.image, self._workspace.plane
        axes = [] if image is None or plane is None else self._axes_of(image, plane)
        chosen = None if image is None else self._axes.chosen(image, axes)
        self._panel.show_axes(axes, chosen, channel_axis(axes))
        self._panel.show_possible(current=not self._session.state.is_empty)
        if image is not None and axes and image not in self._asked:
            self._asked.add(image)
            self._offer_sizes(image)

    def step(self, direction: int) -> None:
        """Propagate the object to the plane before (-1) or after (1).

        While an answer is under way, the step waits for it; several steps add up. Any other change
        of the object cancels them.

        Raises
        ------
        CfrIclError
            When there is no object, or it cannot be written.
        """
        session, state = self._session, self._session.state
        if session.propagation.is_filling:
            return
        if session.propagation.is_under_way:
            self._waiting += direction
            return
        if session.is_busy and state.clicks:
            self._waiting += direction
            self._awaited = state.clicks
            return
        more = self._waiting - direction if self._waiting * direction > 0 else 0
        self._cancel_steps()
        goal = self._goal(direction)
        if goal is not None:
            self._waiting = more
            try:
                session.propagation.carry(*goal, self._panel.limits)
            except CfrIclError:
                self._cancel_steps()
                raise

    def fill(self, first: int, last: int) -> None:
        """Write the object on its plane, and on those up to `last` and down to `first`.

        Raises
        ------
        CfrIclError
            When there is no object, or it cannot be written.
        """
        if self._session.state.is_waiting:
            self._presenter.say(messages.STILL_WAITING)
            return
        found = self._stack_of_object()
        if found is None or self._session.propagation.is_under_way:
            return
        image, plane, axis = found
        start = plane.index[axis]
        ways = [range(start + 1, last + 1), range(start - 1, first - 1, -1)]
        ways = [way for way in ways if way] or ways[:1]
        home = self._home()
        self._planes, self._eta, self._start = sum(map(len, ways)), Eta(), start
        self._show_filling(0)
        targets = [self._targets(home.layer, image, plane, axis, way) for way in ways]
        try:
            self._session.propagation.fill(home, targets, self._panel.limits)
        finally:
            if self._session.propagation.is_filling:
                self._presenter.show_hint()
            else:
                self._show_end()

    def _goal(self, direction: int) -> tuple[LabelStore, PlaneTarget] | None:
        """The labels of the object and the target plane; None, and a hint why, without."""
        found = self._stack_of_object()
        if found is None:
            return None
        image, plane, axis = found
        home = self._home()
        targets = self._targets(home.layer, image, plane, axis, [plane.index[axis] + direction])
        target = next(targets, None)
        if target is None:
            self._presenter.say(messages.STACK_ENDS)
            return None
        return home, target

    def _stack_of_object(self) -> tuple[Image, LayerPlane, int] | None:
        """The image, the object's plane and the stack axis; None, and a hint why, without."""
        image, state = self._workspace.image, self._session.state
        if image is None or state.is_empty or not self._workspace.is_on_image(state):
            self._presenter.say(messages.NOTHING_TO_CARRY)
            return None
        plane = plane_of(state)
        chosen = self._axes.chosen(image, self._axes_of(image, plane))
        if chosen is None:
            self._presenter.say(messages.FLAT)
            return None
        return image, plane, chosen.axis

    def _axes_of(self, image: Image, plane: LayerPlane) -> list[StackAxis]:
        return self._axes.of(image, plane, self._workspace.viewer.dims)

    def _offer_sizes(self, image: Image) -> None:
        """Say that napari has left out the pixel sizes of a stack's file, and offer them."""
        sizes = self._axes.lost_sizes(image)
        if sizes:
            text = messages.lost_sizes(image.name, sizes)
            self._panel.lost.ask(text, "Use them", partial(self._axes.restore_sizes, image))
        else:
            self._panel.lost.take_back()

    def _on_axis_chosen(self, axis: int) -> None:
        if self._workspace.image is not None:
            self._cancel_steps()
            self._axes.choose(self._workspace.image, axis)
            self.show_stack()

    def _targets(
        self, layer: Labels, image: Image, plane: LayerPlane, axis: int, indices: Iterable[int]
    ) -> Iterator[PlaneTarget]:
        for index in indices:
            there = neighbour(plane, image, axis, index)
            if there is None:
                return
            yield PlaneTarget(self._workspace.scene(there), self._workspace.store(there, layer))

    def _cancel_steps(self) -> None:
        """Cancel the steps that are still to be made."""
        self._waiting, self._awaited = 0, None

    def _on_object_changed(self, state: ObjectState) -> None:
        self.show_stack()
        if self._awaited is not None and state.clicks != self._awaited:
            self._cancel_steps()

    def _on_busy_changed(self, busy: bool) -> None:
        if busy or self._awaited is None:
            return
        self._awaited = None
        if self._session.state.is_waiting:
            # The answer failed, which is reported elsewhere.
            self._cancel_steps()
        self._take_waiting_step()

    def _take_waiting_step(self) -> None:
        if self._waiting:
            self._presenter.attempt(partial(self.step, 1 if self._waiting > 0 else -1))

    def _show_filling(self, planes: int) -> None:
        left = self._eta.seconds_left(planes / self._planes) if self._planes else None
        self._panel.show_filling(planes, self._planes, left)
        self._activity.show("Filling planes", planes, self._planes)

    def _show_end(self) -> None:
        self._panel.show_filling(0, 0)
        self._activity.end()

    def _on_ended(self, report: Report) -> None:
        self._show_end()
        if report.reason == "arrived":
            self._reveal()
            self._take_waiting_step()
            return
        self._cancel_steps()
        if report.fills or report.reason in ("ended", "faded"):
            self._presenter.say(messages.propagated(report, self._start))
        else:
            self._presenter.show_hint()
