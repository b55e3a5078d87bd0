"""A menu of the viewer's layers of one kind that follows the layer list."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from napari.components import LayerList
from napari.layers import Layer
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QComboBox
from superqt.utils import signals_blocked

from napari_cfr_icl.gui.widgets.narrow_menu import keep_narrow
from napari_cfr_icl.gui.widgets.single_shot import single_shot


class LayerCombo(QComboBox):
    """A menu of layers.

    `layer_chosen` is emitted with the layer that the user chose, and with the layer (or None) that
    replaced one that was removed. The latter waits for the event loop: a listener that adds layers
    must not do so while napari is removing some.

    Parameters
    ----------
    layers : napari.components.LayerList
        The viewer's layers.
    accepts : callable
        Filter of the layers.
    """

    layer_chosen = Signal(object)

    def __init__(
        self,
        layers: LayerList,
        accepts: Callable[[Layer], bool],
    ) -> None:
        super().__init__()
        self._layers = layers
        self._accepts = accepts
        self._listed: list[Layer] = []
        self._told: Layer | None = None
        self._settled = single_shot(self, 0, self._on_settled)
        keep_narrow(self)
        for event in self._events():
            event.connect(self._on_layers_changed)
        self.activated.connect(self._on_activated)
        self._on_layers_changed()

    @property
    def layer(self) -> Layer | None:
        """The layer that is chosen."""
        index = self.currentIndex()
        return self._listed[index] if 0 <= index < len(self._listed) else None

    def choose(self, layer: Layer | None) -> None:
        """Choose a layer without a signal."""
        self._told = layer
        with signals_blocked(self):
            self.setCurrentIndex(self._listed.index(layer) if layer in self._listed else -1)

    def close_events(self) -> None:
        """Stop following the layer list."""
        for event in self._events():
            event.disconnect(self._on_layers_changed)
        for layer in self._listed:
            layer.events.name.disconnect(self._on_layer_name)
        self._listed = []

    def _events(self) -> list[Any]:
        events = self._layers.events
        return [events.inserted, events.removed, events.reordered]

    def _on_layers_changed(self) -> None:
        before, chosen = self._listed, self.layer
        # Napari lists the topmost layer last; people read from the top.
        self._listed = [layer for layer in reversed(self._layers) if self._accepts(layer)]
        for layer in set(before) - set(self._listed):
            layer.events.name.disconnect(self._on_layer_name)
        for layer in set(self._listed) - set(before):
            layer.events.name.connect(self._on_layer_name)
        with signals_blocked(self):
            self.clear()
            self.addItems([layer.name for layer in self._listed])
            kept = chosen if chosen in self._listed else next(iter(self._listed), None)
            self.setCurrentIndex(self._listed.index(kept) if kept is not None else -1)
        if kept is not self._told:
            self._settled.start()

    def _on_layer_name(self) -> None:
        for index, layer in enumerate(self._listed):
            self.setItemText(index, layer.name)

    def _on_settled(self) -> None:
        if self.layer is not self._told:
            self._on_activated()

    def _on_activated(self) -> None:
        self._told = self.layer
        self.layer_chosen.emit(self.layer)
