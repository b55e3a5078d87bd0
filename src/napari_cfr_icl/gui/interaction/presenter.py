"""The state of the session on the screen: the layers, the panels of the dock, and the hint."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import numpy as np
from napari.layers import Shapes

from napari_cfr_icl._errors import CfrIclError
from napari_cfr_icl.engine.windows import Patch
from napari_cfr_icl.gui.interaction.workspace import Workspace
from napari_cfr_icl.gui.layers.faded_label import FadedLabel
from napari_cfr_icl.gui.layers.label_conversion import RecoverableError
from napari_cfr_icl.gui.layers.label_target import LabelStore
from napari_cfr_icl.gui.threads.activity import Activity
from napari_cfr_icl.gui.views import messages
from napari_cfr_icl.gui.views.segment_dock import SegmentDock
from napari_cfr_icl.gui.widgets.durations import Elapsed
from napari_cfr_icl.gui.widgets.notices import in_short, show_error
from napari_cfr_icl.session.session import Session


class Presenter:
    """Shows the current object and the actions that are possible, and reports errors.

    Parameters
    ----------
    dock : SegmentDock
        The view.
    session : Session
        The state to show.
    workspace : Workspace
        The layers.
    """

    def __init__(self, dock: SegmentDock, session: Session, workspace: Workspace) -> None:
        self._dock = dock
        self._session = session
        self._workspace = workspace
        self._preparing = False
        self._insisted: tuple[str, object] | None = None
        self._written: tuple[str, object] | None = None
        self._faded = FadedLabel()
        self._loading = Activity(None, dock)
        self._elapsed = Elapsed(self._on_elapsed, dock)
        self._others: tuple[Patch, int] | None = None

    def close(self) -> None:
        """Remove the progress bar, and restore the labels' colours."""
        self._faded.end()
        self._loading.close()
        # Qt may have deleted the timer with the dock.
        with suppress(RuntimeError):
            self._elapsed.end()

    def show_state(self) -> None:
        """Refresh everything."""
        self._workspace.show_clicks(self._session.state)
        self.fade()
        self.show_answer()

    def show_answer(self) -> None:
        """Refresh all but the clicks."""
        session = self._session
        self.show_mask()
        shown = session.state.shown
        self._dock.object.show_possible(
            undo=session.can_undo,
            redo=session.can_redo,
            current=not session.state.is_empty,
            grabbed=session.state.label is not None,
            threshold=not (isinstance(shown, Patch) and shown.values.dtype == bool),
        )
        self._dock.loop.show_answer(session.state.answer)
        self.show_channels()
        self.show_hint()

    def show_channels(self) -> None:
        """Name what the model sees, unless it is a plane of the image alone."""
        channels, image = self._workspace.channels, self._workspace.image
        if self._workspace.clicks is not None:
            drawn = (layer.colormap.map(1.0) for layer in channels if not layer.rgb)
            self._workspace.clicks.stand_out([np.ravel(colour)[:3] for colour in drawn])
        projection = self._workspace.projection
        self._dock.seen.setVisible(channels not in ([], [image]) or bool(projection))
        names = [layer.name for layer in reversed(channels)]
        self._dock.seen.setText(messages.seen(names, projection))

    def show_mask(self) -> None:
        """Show the mask of the current object."""
        session = self._session
        self._others = self._workspace.show_mask(
            session.state, session.shown_mask, protect=session.protect
        )

    def fade(self) -> None:
        """Fade the pixels that a grabbed object on the screen has in its labels."""
        state, workspace = self._session.state, self._workspace
        store = state.origin if isinstance(state.origin, LabelStore) else None
        there = store is not None and store.layer in workspace.viewer.layers
        self._faded.show(store if there and workspace.is_on_screen(state) else None, state.label)

    def show_hint(self) -> None:
        """Tell the next step, or the reason why a click would do nothing."""
        self._dock.resume.setVisible(
            self._workspace.plane is not None and not self._workspace.takes_clicks
        )
        self._dock.use_shapes.setVisible(self._has_shapes())
        self._dock.use_as_labels.setVisible(self._workspace.label_image is not None)
        if self._insisted is not None and self._insisted[1] == self._moment():
            self.say(self._insisted[0])
        else:
            self.say(self._obstacle() or self._next_step())

    def _has_shapes(self) -> bool:
        """True if a Shapes layer is the active one, and a plane of the image is shown."""
        active = self._workspace.viewer.layers.selection.active
        return isinstance(active, Shapes) and self._workspace.plane is not None

    def _obstacle(self) -> str:
        """The reason why a click would not reach the current object; empty without one."""
        state, workspace = self._session.state, self._workspace
        if workspace.image is None:
            return messages.NO_IMAGE
        if state.scene is not None and not workspace.is_on_image(state):
            return messages.GONE_IMAGE
        if self._session.propagation.is_filling:
            return messages.FILLING
        if workspace.plane is None:
            return messages.NO_PLANE
        if workspace.is_in_grid:
            return messages.GRID
        if state.is_empty and (found := workspace.label_image) is not None:
            return messages.holds_ids(*(layer.name for layer in found))
        if (cover := workspace.cover) is not None:
            return messages.covered(workspace.image.name, cover.name)
        if not (workspace.takes_clicks or workspace.takes_paint):
            return self._other_tool()
        if state.scene is not None and not workspace.is_on_screen(state):
            return messages.AWAY
        return ""

    def _other_tool(self) -> str:
        if self._has_shapes():
            return messages.SHAPES
        clicks = self._workspace.clicks
        shown = clicks is not None and clicks.points.visible
        return messages.OTHER_TOOL if shown else messages.HIDDEN_CLICKS

    def _next_step(self) -> str:
        if self._workspace.takes_paint:
            return messages.PAINT
        mask = self._session.shown_mask
        found = mask is not None and bool(mask.values.any())
        if mask is not None and self._others is not None:
            taken, other = self._others
            count, size = int(taken.values.sum()), int(mask.values.sum())
            return messages.taken(min(count, size), size, other)
        if self._written is not None and self._written[1] == self._moment():
            return self._written[0]
        loading = self._elapsed.text if self._preparing else ""
        return messages.next_step(
            self._session.state, loading=loading, found=found, grabbed=self._grabbed()
        )

    def _grabbed(self) -> str:
        """Name of the finished object that is being corrected; empty for a new one."""
        state = self._session.state
        if state.label is None or not isinstance(state.origin, LabelStore):
            return ""
        return f"Object {state.label} of {state.origin.layer.name}"

    def _on_elapsed(self, _: str) -> None:
        self.show_hint()

    def show_preparing(self, preparing: bool) -> None:
        """Show that the model is being loaded, or no longer is."""
        self._preparing = preparing
        if preparing:
            self._loading.show(messages.LOADING, 0, 0)
            self._elapsed.begin(messages.LOADING)
        else:
            self._loading.end()
            self._elapsed.end()
        self.show_hint()

    def say(self, sentence: str) -> None:
        """Show a sentence as the hint."""
        self._dock.show_hint(sentence)

    def insist(self, sentence: str) -> None:
        """Keep a sentence as the hint until the user does something."""
        self._insisted = sentence, self._moment()
        self.show_hint()

    def show_written(self, label: int) -> None:
        """Say that an object was written, until the next click."""
        if self._session.state.is_empty:
            self._written = messages.written(label), self._moment()
            self.show_hint()

    def _moment(self) -> object:
        """A value that changes with a click, another plane, or another model or method."""
        image = self._workspace.image
        place = None if image is None else image.unique_id, self._workspace.plane
        return self._session.state.clicks, place, self._dock.engine.preferences

    def refuse(self, why: str) -> None:
        """Restore the points to the session's clicks, and give the reason."""
        self._workspace.show_clicks(self._session.state)
        self.show_mask()
        self.say(why)

    def attempt(self, call: Callable[[], None]) -> None:
        """Run a user action; an error of theirs becomes a sentence, or an offer to fix it."""
        self._dock.question.take_back()
        self._insisted = self._written = None
        try:
            call()
        except RecoverableError as error:
            self._offer_fix(error, call)
        except CfrIclError as error:
            self._report(error)

    def show_trouble(self, error: Exception) -> None:
        """Report an error of background work."""
        if isinstance(error, RecoverableError):
            self._offer_fix(error, self.show_hint)
        else:
            self._report(error)

    def _report(self, error: Exception) -> None:
        """Show an error in a notification, which is cut short and vanishes, and as the hint."""
        show_error(error)
        self._insisted = None
        self.say(in_short(error))

    def _offer_fix(self, error: RecoverableError, retry: Callable[[], None]) -> None:
        def fix() -> None:
            self.attempt(error.mend)
            self.attempt(retry)

        self._dock.question.ask(str(error), error.cure, fix)
