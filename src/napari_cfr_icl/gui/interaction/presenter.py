"""What the session holds, shown: in the layers and in the dock."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from napari_cfr_icl._errors import CfrIclError
from napari_cfr_icl.engine.clicks import Clicks
from napari_cfr_icl.gui.interaction.workspace import Workspace
from napari_cfr_icl.gui.layers.label_conversion import RecoverableError
from napari_cfr_icl.gui.layers.planes import LayerPlane
from napari_cfr_icl.gui.threads.activity import Activity
from napari_cfr_icl.gui.views import messages
from napari_cfr_icl.gui.widgets.notices import in_short, show_error
from napari_cfr_icl.session.objects import ObjectState
from napari_cfr_icl.session.session import Session

if TYPE_CHECKING:
    from napari_cfr_icl.gui.views.segment_dock import SegmentDock


class Presenter:
    """Draws the current object and tells what can be done now.

    Parameters
    ----------
    dock : SegmentDock
        The view.
    session : Session
        What is shown.
    workspace : Workspace
        The layers.
    """

    def __init__(self, dock: SegmentDock, session: Session, workspace: Workspace) -> None:
        self.dock = dock
        self.session = session
        self.workspace = workspace
        self._preparing = False
        self._insisted: tuple[str, object] | None = None
        self._loading = Activity(None, dock)

    def close(self) -> None:
        """Take away what shows that something goes on."""
        self._loading.close()

    def show_state(self) -> None:
        """Show everything anew."""
        session = self.session
        self.show_object()
        self.dock.object.show_possible(
            undo=session.can_undo, redo=session.can_redo, current=not session.state.is_empty
        )
        self.dock.loop.show_answer(session.state.answer)
        self.show_channels()
        self.show_hint()

    def show_channels(self) -> None:
        """Say which layers the model sees, where that is not the image alone."""
        channels, image = self.workspace.channels, self.workspace.image
        self.dock.seen.setVisible(channels not in ([], [image]))
        self.dock.seen.setText(messages.seen([layer.name for layer in reversed(channels)]))

    def show_object(self) -> None:
        """Show clicks and mask of the current object."""
        state = self.session.state
        if state.scene is None or not self.is_on_image(state):
            self.workspace.show_object(Clicks(), None, None)
        else:
            self.workspace.show_object(state.clicks, self.session.mask, plane_of(state))

    def show_hint(self) -> None:
        """Say what to do now."""
        state, workspace = self.session.state, self.workspace
        self.dock.resume.setVisible(workspace.plane is not None and not workspace.takes_clicks)
        if self._insisted is not None and self._insisted[1] == self._moment():
            self.dock.show_hint(self._insisted[0])
        elif workspace.image is None:
            self.dock.show_hint(messages.NO_IMAGE)
        elif state.scene is not None and not self.is_on_image(state):
            self.dock.show_hint(messages.GONE_IMAGE)
        elif self.session.propagation.is_filling:
            self.dock.show_hint(messages.FILLING)
        elif workspace.plane is None:
            self.dock.show_hint(messages.NO_PLANE)
        elif workspace.cover is not None:
            self.dock.show_hint(messages.covered(workspace.image.name, workspace.cover.name))
        elif not workspace.takes_clicks:
            shown = workspace.clicks is not None and workspace.clicks.points.visible
            self.dock.show_hint(messages.OTHER_TOOL if shown else messages.HIDDEN_CLICKS)
        elif state.scene is not None and not self.is_on_screen(state):
            self.dock.show_hint(messages.AWAY)
        else:
            mask = self.session.mask
            found = mask is not None and bool(mask.values.any())
            self.dock.show_hint(messages.hint(state, preparing=self._preparing, found=found))

    def show_preparing(self, preparing: bool) -> None:
        """Say whether the model is being loaded."""
        self._preparing = preparing
        if preparing:
            self._loading.show(messages.LOADING, 0, 0)
        else:
            self._loading.end()
        self.show_hint()

    def insist(self, sentence: str) -> None:
        """Say this until the user does something, whatever else there is to say meanwhile."""
        self._insisted = sentence, self._moment()
        self.show_hint()

    def _moment(self) -> object:
        """What differs once the user has clicked, gone elsewhere or chosen another model."""
        return self.session.state.clicks, self.workspace.plane, self.dock.engine.preferences

    def refuse(self, why: str) -> None:
        """Put the points back to what the session knows, and say why."""
        self.show_object()
        self.dock.show_hint(why)

    def attempt(self, call: Callable[[], None]) -> None:
        """Do what the user asked for; a trouble of theirs becomes one sentence, or a question."""
        self.dock.question.take_back()
        self._insisted = None
        try:
            call()
        except RecoverableError as error:
            self._ask_to_mend(error, call)
        except CfrIclError as error:
            self._tell(error)

    def show_trouble(self, error: Exception) -> None:
        """Say what went wrong with something that nobody waits for any more."""
        if isinstance(error, RecoverableError):
            self._ask_to_mend(error, self.show_hint)
        else:
            self._tell(error)

    def _tell(self, error: Exception) -> None:
        """Say it in a notification, which cuts it off and goes, and where there is room for it."""
        show_error(error)
        self._insisted = None
        self.dock.show_hint(in_short(error))

    def _ask_to_mend(self, trouble: RecoverableError, again: Callable[[], None]) -> None:
        def then() -> None:
            self.attempt(trouble.mend)
            self.attempt(again)

        self.dock.question.ask(str(trouble), trouble.cure, then)

    def is_on_image(self, state: ObjectState) -> bool:
        """Whether an object lies on the image that is worked on."""
        image = self.workspace.image
        return (
            image is not None
            and state.scene is not None
            and state.scene.plane[0] == image.unique_id
        )

    def is_on_screen(self, state: ObjectState) -> bool:
        """Whether an object lies on the plane that is shown."""
        return (
            self.is_on_image(state)
            and state.scene is not None
            and state.scene.plane[1] == self.workspace.plane
        )


def plane_of(state: ObjectState) -> LayerPlane:
    """The plane that an object lies on; scenes are made by `images.scene_of`."""
    if state.scene is None:
        raise ValueError("the object is nowhere yet")
    plane: LayerPlane = state.scene.plane[1]
    return plane
