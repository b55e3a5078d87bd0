"""J, K and fill: the current object goes through the planes of a stack."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial

from napari.layers import Image, Labels

from napari_cfr_icl._errors import CfrIclError
from napari_cfr_icl.engine.clicks import Clicks
from napari_cfr_icl.evaluation.protocol.eta import Eta
from napari_cfr_icl.gui.interaction.presenter import Presenter, plane_of
from napari_cfr_icl.gui.layers.label_target import LabelStore
from napari_cfr_icl.gui.layers.planes import LayerPlane, data_shape, neighbour
from napari_cfr_icl.gui.threads.activity import Activity
from napari_cfr_icl.gui.views import messages
from napari_cfr_icl.session.objects import ObjectState
from napari_cfr_icl.session.propagation import PlaneTarget, Report


class PropagationController:
    """Turns the wish for another plane into a journey of the session, and shows how it goes.

    Parameters
    ----------
    screen : Presenter
        Knows the dock, the layers and the session.
    home : callable
        Tells where the current object is written.
    reveal : callable
        Brings the plane of the current object onto the screen.
    """

    def __init__(
        self, screen: Presenter, home: Callable[[], LabelStore], reveal: Callable[[], None]
    ) -> None:
        self._screen = screen
        self._session = screen.session
        self._workspace = screen.workspace
        self._panel = screen.dock.stack
        self._home = home
        self._reveal = reveal
        self._wanted = 0
        self._awaited: Clicks | None = None
        self._planes = 0
        self._pace = Eta()
        self._activity = Activity(self._session.propagation.cancel, self._panel)
        self._session.object_changed.connect(self._on_object_changed)
        self._session.busy_changed.connect(self._on_busy_changed)
        self._session.propagation.filled.connect(self._on_filled)
        self._session.propagation.ended.connect(self._on_ended)

    def close(self) -> None:
        """Stop listening to the session."""
        self._session.object_changed.disconnect(self._on_object_changed)
        self._session.busy_changed.disconnect(self._on_busy_changed)
        self._session.propagation.filled.disconnect(self._on_filled)
        self._session.propagation.ended.disconnect(self._on_ended)
        self._activity.close()

    def show_stack(self) -> None:
        """Show what the image and the current object allow."""
        image, plane = self._workspace.image, self._workspace.plane
        axis = None if image is None or plane is None else stack_axis(image, plane)
        self._screen.dock.stack_section.setVisible(axis is not None)
        if image is not None and axis is not None:
            self._panel.show_planes(data_shape(image)[axis])
        self._panel.show_possible(current=not self._session.state.is_empty)

    def step(self, direction: int) -> None:
        """Take the object to the plane before (-1) or after (1).

        While an answer is on its way, the step waits for it; several steps add up. Whatever else
        happens to the object meanwhile calls them off.

        Raises
        ------
        CfrIclError
            When there is no object, or it cannot be written.
        """
        session, state = self._session, self._session.state
        if session.propagation.is_filling:
            return
        if session.propagation.is_under_way:
            self._wanted += direction
            return
        if session.is_busy and state.clicks:
            self._wanted += direction
            self._awaited = state.clicks
            return
        more = self._wanted - direction if self._wanted * direction > 0 else 0
        self._call_off()
        way = self._way(direction)
        if way is not None:
            self._wanted = more
            try:
                session.propagation.carry(*way)
            except CfrIclError:
                self._call_off()
                raise

    def fill(self, last: int) -> None:
        """Write the object on its plane and on those up to `last`.

        Raises
        ------
        CfrIclError
            When there is no object, or it cannot be written.
        """
        if self._session.state.is_waiting:
            self._screen.dock.show_hint(messages.STILL_WAITING)
            return
        found = self._axis_of_object()
        if found is None or self._session.propagation.is_under_way:
            return
        image, plane, axis = found
        start, way = plane.index[axis], 1 if last >= plane.index[axis] else -1
        indices = range(start + way, last + way, way)
        home = self._home()
        self._planes, self._pace = len(indices), Eta()
        self._show_filling(0)
        stations = self._stations(home.layer, image, plane, axis, indices)
        try:
            self._session.propagation.fill(home, stations, self._panel.limits)
        finally:
            if self._session.propagation.is_filling:
                self._screen.show_hint()
            else:
                self._show_end()

    def _way(self, direction: int) -> tuple[LabelStore, PlaneTarget] | None:
        """Where the object is written, and the plane to go to; None, and a word why, without."""
        found = self._axis_of_object()
        if found is None:
            return None
        image, plane, axis = found
        home = self._home()
        stations = self._stations(home.layer, image, plane, axis, [plane.index[axis] + direction])
        station = next(stations, None)
        if station is None:
            self._screen.dock.show_hint(messages.STACK_ENDS)
            return None
        return home, station

    def _axis_of_object(self) -> tuple[Image, LayerPlane, int] | None:
        """The image, the object's plane and the axis to go along; None, and a word why, without."""
        image, state = self._workspace.image, self._session.state
        if image is None or state.is_empty or not self._screen.is_on_image(state):
            self._screen.dock.show_hint(messages.NOTHING_TO_CARRY)
            return None
        plane = plane_of(state)
        axis = stack_axis(image, plane)
        if axis is None:
            self._screen.dock.show_hint(messages.FLAT)
            return None
        return image, plane, axis

    def _stations(
        self, layer: Labels, image: Image, plane: LayerPlane, axis: int, indices: Iterable[int]
    ) -> Iterator[PlaneTarget]:
        for index in indices:
            there = neighbour(plane, image, axis, index)
            if there is None:
                return
            yield PlaneTarget(self._workspace.scene(there), self._workspace.store(there, layer))

    def _call_off(self) -> None:
        """Forget the steps that are still to be made."""
        self._wanted, self._awaited = 0, None

    def _on_object_changed(self, state: ObjectState) -> None:
        if self._awaited is not None and state.clicks != self._awaited:
            self._call_off()

    def _on_busy_changed(self, busy: bool) -> None:
        if busy or self._awaited is None:
            return
        self._awaited = None
        if self._session.state.is_waiting:
            # The answer will not come; what went wrong is told without us.
            self._call_off()
        self._take_wanted_step()

    def _take_wanted_step(self) -> None:
        if self._wanted:
            self._screen.attempt(partial(self.step, 1 if self._wanted > 0 else -1))

    def _on_filled(self, planes: int) -> None:
        self._show_filling(planes)

    def _show_filling(self, planes: int) -> None:
        left = self._pace.seconds_left(planes / self._planes) if self._planes else None
        self._panel.show_filling(planes, self._planes, left)
        self._activity.show("Filling planes", planes, self._planes)

    def _show_end(self) -> None:
        self._panel.show_filling(0, 0)
        self._activity.end()

    def _on_ended(self, report: Report) -> None:
        self._show_end()
        if report.reason == "arrived":
            self._reveal()
            self._take_wanted_step()
            return
        self._call_off()
        if report.fills or report.reason == "ended":
            self._screen.dock.show_hint(messages.travelled(report))
        else:
            self._screen.show_hint()


def stack_axis(image: Image, plane: LayerPlane) -> int | None:
    """The innermost axis that is not on the plane and has several planes: z of (t, z, y, x)."""
    shape = data_shape(image)
    axes = [axis for axis in range(len(shape)) if axis not in plane.axes and shape[axis] > 1]
    return axes[-1] if axes else None
