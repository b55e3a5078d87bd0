"""The choice of the image and of its labels layer, by the user or by what fits."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from napari.layers import Image, Labels
from qtpy.QtWidgets import QFileDialog

from napari_cfr_icl._errors import OutputError
from napari_cfr_icl.engine.windows import Window
from napari_cfr_icl.gui.interaction.workspace import Workspace, plane_of
from napari_cfr_icl.gui.layers.click_layer import TAG, is_preview, raise_overlays
from napari_cfr_icl.gui.layers.label_conversion import labels_from, looks_like_labels
from napari_cfr_icl.gui.layers.label_target import LabelStore
from napari_cfr_icl.gui.layers.napari_private import is_removing
from napari_cfr_icl.gui.layers.new_labels import folder_of, is_large, move_labels
from napari_cfr_icl.gui.layers.planes import LayerPlane, data_shape
from napari_cfr_icl.gui.layers.preview import unlike_preview
from napari_cfr_icl.gui.layers.stack_axes import channel_layers
from napari_cfr_icl.gui.views import messages
from napari_cfr_icl.gui.views.segment_dock import SegmentDock
from napari_cfr_icl.gui.widgets.single_shot import single_shot
from napari_cfr_icl.session.session import Session


class LayerChoice:
    """Has the workspace follow the chosen layers, also when one of them is removed.

    Parameters
    ----------
    dock : SegmentDock
        Its two layer menus and its hint.
    session : Session
        The current object, which may go with its image.
    workspace : Workspace
        The layers.
    attempt : callable
        Calls a function, and reports an error of the user's.
    show : callable
        Refreshes the dock.
    """

    def __init__(
        self,
        dock: SegmentDock,
        session: Session,
        workspace: Workspace,
        attempt: Callable[[Callable[[], None]], None],
        show: Callable[[], None],
    ) -> None:
        self._dock = dock
        self._session = session
        self._workspace = workspace
        self._layers = workspace.viewer.layers
        self._attempt = attempt
        self._show = show
        self._closed = False
        self._last_labels: dict[str, Labels] = {}
        self._repair = single_shot(dock, 0, self._on_repair)
        self._say_split = single_shot(dock, 0, partial(dock.show_hint, messages.SPLIT))
        self._raise = single_shot(dock, 0, self._on_raise)
        self._dock.image.layer_chosen.connect(self._on_image_chosen)
        self._dock.labels.layer_chosen.connect(self._on_labels_chosen)
        self._dock.stack.split_requested.connect(self.split_channels)
        self._layers.events.removed.connect(self._on_layer_removed)
        for event in (self._layers.events.inserted, self._layers.events.reordered):
            event.connect(self._on_layers_arranged)

    def close(self) -> None:
        """Stop listening to the viewer. Touches no widget."""
        self._closed = True
        self._layers.events.removed.disconnect(self._on_layer_removed)
        for event in (self._layers.events.inserted, self._layers.events.reordered):
            event.disconnect(self._on_layers_arranged)

    def begin(self) -> None:
        """Work on the topmost image whose pixels are not ids of objects, or else on the topmost."""
        images = [layer for layer in reversed(self._layers) if isinstance(layer, Image)]
        image = images[0] if images else None
        if len(images) > 1:
            image = next((layer for layer in images if not looks_like_labels(layer)), image)
        self._dock.image.choose(image)
        self.use_image(image)

    def use_image(self, image: Image | None) -> None:
        """Work on this image, with labels that fit it."""
        self._workspace.use_image(image)
        if image is not None and not self._choose_labels(image):
            self._workspace.use_labels(None)
            self._attempt(self._make_labels)
        self._remember_labels()
        if self._session.state.is_empty and self._workspace.clicks is not None:
            # Clicks that an earlier dock left behind are taken up.
            self._workspace.clicks.tell()
        self._show()

    def home(self) -> LabelStore:
        """The labels that the current object is written into: its own, or those of its image.

        Raises
        ------
        OutputError
            When they or the image are gone, or the labels cannot take it.
        """
        state = self._session.state
        if isinstance(state.origin, LabelStore):
            if state.origin.layer not in self._layers:
                raise OutputError(self._dock.keys.in_words(messages.GONE_LABELS))
            return state.origin
        if not self._workspace.is_on_image(state):
            raise OutputError(self._dock.keys.in_words(messages.GONE_IMAGE))
        mask = self._session.mask
        return self.home_on(plane_of(state), None if mask is None else mask.bounds())

    def home_on(self, plane: LayerPlane, box: Window | None) -> LabelStore:
        """The labels of a plane of the image, which new objects in a window are written into.

        Raises
        ------
        OutputError
            When the labels do not reach there.
        """
        if self._workspace.labels is None or not self._workspace.labels_reach(box):
            self._dock.labels.choose(self._workspace.make_labels(box))
        return self._workspace.store(plane)

    def use_as_labels(self) -> None:
        """Turn the image layer that holds ids into the labels of the image that it lies on."""
        found = self._workspace.label_image
        if found is None:
            return
        ids, image = found
        unused = self._workspace.labels
        labels = labels_from(ids)
        labels.metadata[TAG] = "objects"
        labels.colormap = unlike_preview()
        self._layers.insert(self._layers.index(ids) + 1, labels)
        self._dock.image.choose(image)
        if image is not self._workspace.image:
            self._on_image_chosen(image)
        self._layers.remove(ids)
        self._remove_unused(unused)
        # Two layers of one name were not possible.
        labels.name = ids.name
        self._layers.move(self._layers.index(labels), self._layers.index(image) + 1)
        self._dock.labels.choose(labels)
        self._on_labels_chosen(labels)
        self._show()

    def split_channels(self, axis: int) -> None:
        """Put a layer for each channel in the place of the image, which has them on a slider."""
        image, labels = self._workspace.image, self._workspace.labels
        if image is None:
            return
        units = [unit for number, unit in enumerate(image.units) if number != axis]
        # Napari warns of layers whose units differ, if only for a moment.
        image.units = ("pixel",) * image.ndim
        channels = channel_layers(image, axis)
        at = self._layers.index(image) + 1
        self._layers[at:at] = channels
        self._remove_unused(labels)
        self._dock.image.choose(channels[0])
        self._on_image_chosen(channels[0])
        self._layers.remove(image)
        if (made := self._workspace.labels) is not None:
            self._layers.move(self._layers.index(made), self._layers.index(channels[-1]) + 1)
        for layer in channels:
            layer.units = units
        # After the hint that something was moved: the units count as that.
        self._say_split.start()

    def _remove_unused(self, labels: Labels | None) -> None:
        """Remove labels that were made here and hold nothing."""
        if labels is not None and labels.metadata.get(TAG) == "objects" and not labels.data.any():
            self._layers.remove(labels)

    def use_reshaped_image(self) -> None:
        """Start over on the image, whose data have another shape now."""
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

    def show_moved(self, followed: list[Labels]) -> None:
        """Show the object where the image is now, and name the labels that followed it."""
        # Now, or it would take the place of the sentence.
        self._on_raise()
        if self._workspace.is_on_image(self._session.state):
            self.reveal()
        self._show()
        if followed:
            self._dock.show_hint(messages.followed([layer.name for layer in followed]))
        if self._workspace.labels not in followed:
            self._attempt(self._check_labels)

    def _choose_labels(self, image: Image) -> bool:
        """Choose labels that fit the image: its last ones, the chosen ones or ours; true if any do.

        Labels below the image would be hidden, and most likely belong to an earlier image.
        """
        layers, chosen = self._layers, self._workspace.labels
        last = self._last_labels.get(image.unique_id)
        above = layers[layers.index(image) + 1 :] if image in layers else []
        for layer in (last, chosen, *reversed(above)):
            if layer not in above or not isinstance(layer, Labels) or layer.multiscale:
                continue
            ours = (
                layer in (last, chosen) or layer.metadata.get(TAG) == "objects" or is_large(image)
            )
            if ours and data_shape(layer) == data_shape(image):
                if layer is not chosen:
                    self._workspace.use_labels(layer)
                self._dock.labels.choose(layer)
                return True
        return False

    def _make_labels(self) -> None:
        """Make labels of the image's size, on the disk if need be, and say where."""
        self._dock.labels.choose(None)
        layer = self._workspace.make_labels()
        self._dock.labels.choose(layer)
        folder = None if layer is None else folder_of(layer.data)
        if layer is not None and folder is not None:
            self._dock.question.ask(
                messages.on_disk(str(folder)), "Keep them elsewhere…", partial(self._move, layer)
            )

    def _move(self, layer: Labels) -> None:
        folder = QFileDialog.getExistingDirectory(self._dock, "Folder for the labels")
        if folder:
            self._attempt(partial(move_labels, layer, Path(folder)))

    def _remember_labels(self) -> None:
        """Remember the labels of the image, for when it is chosen again."""
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
        self._attempt(self._check_labels)

    def _check_labels(self) -> None:
        """Warn of labels on another pixel grid at once, not first at W."""
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

    def _on_layers_arranged(self) -> None:
        self._raise.start()

    def _on_raise(self) -> None:
        """Keep clicks and mask on top, also of labels that are opened after the dock."""
        workspace = self._workspace
        if not self._closed and workspace.clicks is not None:
            raise_overlays(self._layers, workspace.preview.layer, workspace.clicks.points)

    def _on_repair(self) -> None:
        """Make a new clicks layer, now that napari has removed the old one."""
        image = self._workspace.image
        if self._closed or image is None or self._workspace.clicks is not None:
            return
        if is_removing(self._workspace.viewer):
            self._repair.start()
        else:
            self.use_image(image)
