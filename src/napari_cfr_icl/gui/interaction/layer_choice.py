"""Which image is worked on and which labels are written: chosen in the dock, or found to fit."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from napari.layers import Image, Labels

from napari_cfr_icl.gui.interaction.presenter import Presenter
from napari_cfr_icl.gui.layers.click_layer import TAG, is_preview
from napari_cfr_icl.gui.layers.planes import data_shape
from napari_cfr_icl.gui.views import messages
from napari_cfr_icl.gui.widgets.single_shot import single_shot

if TYPE_CHECKING:
    from napari_cfr_icl.gui.views.segment_dock import SegmentDock


class LayerChoice:
    """Keeps the workspace on the chosen layers, and goes on when one of them is removed.

    Parameters
    ----------
    screen : Presenter
        What is shown, in which dock.
    read : callable
        Takes up the clicks that are in the clicks layer.
    show : callable
        Shows everything anew.
    """

    def __init__(
        self, screen: Presenter, read: Callable[[], None], show: Callable[[], None]
    ) -> None:
        self._screen = screen
        self._dock: SegmentDock = screen.dock
        self._session = screen.session
        self._workspace = screen.workspace
        self._layers = screen.workspace.viewer.layers
        self._read = read
        self._show = show
        self._closed = False
        self._last_labels: dict[str, Labels] = {}
        self._repair = single_shot(screen.dock, 0, self._on_repair)
        self._dock.image.layer_chosen.connect(self._on_image_chosen)
        self._dock.labels.layer_chosen.connect(self._on_labels_chosen)
        self._layers.events.removed.connect(self._on_layer_removed)

    def close(self) -> None:
        """Stop listening to the viewer. Touches no widget."""
        self._closed = True
        self._layers.events.removed.disconnect(self._on_layer_removed)

    def use_image(self, image: Image | None) -> None:
        """Work on this image, with labels that fit it."""
        self._workspace.use_image(image)
        if image is not None and not self._labels_fit(image):
            self._dock.labels.choose(self._workspace.make_labels())
        self._remember_labels()
        if self._session.state.is_empty:
            # Clicks that an earlier dock left behind are taken up.
            self._read()
        self._show()

    def use_reshaped_image(self) -> None:
        """Go on with the image, whose pixels now have another shape; no object lies on those."""
        self._session.propagation.cancel()
        self._session.drop()
        self._session.forget_steps()
        self.use_image(self._workspace.image)
        self._dock.show_hint(messages.RESHAPED)

    def reveal(self) -> None:
        """Go to the image and the plane of the current object."""
        state = self._session.state
        if state.scene is None:
            return
        image_id, plane = state.scene.plane
        image = next((layer for layer in self._layers if layer.unique_id == image_id), None)
        if image is None:
            return
        if image is not self._workspace.image:
            self._dock.image.choose(image)
            self.use_image(image)
        self._workspace.reveal(plane)

    def _labels_fit(self, image: Image) -> bool:
        """Whether there are labels for the image: those it had last, ours or chosen ones that fit.

        Below the image they would not be seen, and most likely belong to a picture before.
        """
        layers, chosen = self._layers, self._workspace.labels
        last = self._last_labels.get(image.unique_id)
        above = layers[layers.index(image) + 1 :] if image in layers else []
        for layer in (last, chosen, *reversed(above)):
            if layer not in above or not isinstance(layer, Labels) or layer.multiscale:
                continue
            ours = layer in (last, chosen) or layer.metadata.get(TAG) == "objects"
            if ours and data_shape(layer) == data_shape(image):
                if layer is not chosen:
                    self._workspace.use_labels(layer)
                self._dock.labels.choose(layer)
                return True
        return False

    def _remember_labels(self) -> None:
        """Let the image have the same labels when it is worked on again."""
        image, labels = self._workspace.image, self._workspace.labels
        if image is not None and labels is not None:
            self._last_labels[image.unique_id] = labels

    def _on_image_chosen(self, image: Image | None) -> None:
        if image is self._workspace.image:
            return
        self._session.propagation.cancel()
        self._session.drop()
        self.use_image(image)

    def _on_labels_chosen(self, layer: Labels | None) -> None:
        self._workspace.use_labels(layer)
        self._remember_labels()
        self._workspace.select_clicks()
        self._screen.attempt(self._look_at_labels)

    def _look_at_labels(self) -> None:
        """Say at once, not first at W, what is odd about the chosen labels."""
        plane = self._workspace.plane
        if plane is None or self._workspace.labels is None:
            return
        store = self._workspace.store(plane)
        if not store.shares_pixels or store.shape != plane.shape:
            self._dock.show_hint(messages.OTHER_PIXELS)

    def _on_layer_removed(self, event: Any) -> None:
        if is_preview(event.value) and not self._workspace.preview.owns(event.value):
            return  # Taken away by its maker, who goes on.
        # A fill may be on its way through that very layer.
        self._session.propagation.cancel()
        self._last_labels.pop(event.value.unique_id, None)
        self._workspace.forget(event.value)
        if self._workspace.image is None or self._workspace.clicks is None:
            self._session.drop()
            self._repair.start()
        self._show()

    def _on_repair(self) -> None:
        """Make a new clicks layer, now that napari is done with removing the old one."""
        image = self._workspace.image
        if not self._closed and image is not None and self._workspace.clicks is None:
            self.use_image(image)
