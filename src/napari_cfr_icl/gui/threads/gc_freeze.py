"""Spares the screen Python's full garbage collections, which stop everything for a while."""

from __future__ import annotations

import gc
from typing import Any, ClassVar
from weakref import WeakSet

from napari.components import LayerList
from napari.layers import Layer
from qtpy.QtCore import QObject, Qt, Signal

_FULL = 2
"""The generation of a full collection."""


class GcFreeze(QObject):
    """Has Python's garbage collector pass over what stays anyway.

    With napari, torch and a dock loaded half a million objects live, nearly all of them functions
    and classes. A full collection looks at each, a quarter of a second in the middle of clicking.
    Objects set aside are not looked at. When one of the layers among them is removed, all are
    given back, so that its memory is found; the rest is set aside anew once that is done.

    Parameters
    ----------
    layers : LayerList
        The layers of the viewer.
    """

    _leaving: ClassVar[WeakSet[Layer]] = WeakSet()
    """Removed layers that no collection has freed yet; of all viewers, for there is one collector
    for all."""

    _collected = Signal()

    def __init__(self, layers: LayerList) -> None:
        super().__init__()
        self._layers = layers
        self._aside: WeakSet[Layer] = WeakSet()
        self._gone: WeakSet[Layer] = WeakSet()
        self._is_due = False
        layers.events.removed.connect(self._on_layer_removed)
        # A collection happens in any thread; the layers belong to the screen's.
        self._collected.connect(self._freeze, Qt.ConnectionType.QueuedConnection)
        gc.callbacks.append(self._on_collection)
        # While the dock is being made nobody waits for a click.
        gc.collect()

    def pause(self) -> None:
        """No collection until `begin`: loading makes much that stays, and hardly any waste."""
        gc.disable()

    def begin(self) -> None:
        """Set aside all there is: the slow part of loading is over, or was in vain."""
        self._is_due = False
        # Quick, but for the first time; what loading has made is not waste.
        if self._gone or self._aside:
            gc.collect()
        self._freeze()
        # Not before: the collection that is overdue would look at everything.
        gc.enable()

    def close(self) -> None:
        """Give everything back to the collector."""
        self._layers.events.removed.disconnect(self._on_layer_removed)
        gc.callbacks.remove(self._on_collection)
        gc.enable()
        gc.unfreeze()

    def _freeze(self) -> None:
        self._gone.clear()
        if self._leaving:
            self._is_due = True
            return
        self._aside = WeakSet(self._layers)
        gc.freeze()

    def _on_layer_removed(self, event: Any) -> None:
        if event.value in self._aside:
            gc.unfreeze()
            self._aside.discard(event.value)
            self._leaving.add(event.value)
            self._is_due = True
        else:
            self._gone.add(event.value)

    def _on_collection(self, phase: str, facts: dict[str, int]) -> None:
        if phase == "stop" and facts["generation"] == _FULL and self._is_due and not self._leaving:
            self._is_due = False
            self._collected.emit()
