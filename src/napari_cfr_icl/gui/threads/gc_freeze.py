"""Freezing of Python's garbage collector, whose full collections would block the screen."""

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
    """Keeps long-lived objects out of the collections while a dock is open (`gc.freeze`).

    With napari, torch and a dock loaded half a million objects live, nearly all of them functions
    and classes. A full collection visits each, a quarter of a second in the middle of clicking.
    Frozen objects are skipped. When a frozen layer is removed, all are unfrozen, so that its memory
    is freed, and frozen again after that.

    Parameters
    ----------
    layers : LayerList
        The layers of the viewer.
    """

    _leaving: ClassVar[WeakSet[Layer]] = WeakSet()
    """Removed layers of all viewers that no collection has freed yet: there is one collector."""

    _collected = Signal()

    def __init__(self, layers: LayerList) -> None:
        super().__init__()
        self._layers = layers
        self._frozen: WeakSet[Layer] = WeakSet()
        self._gone: WeakSet[Layer] = WeakSet()
        self._is_due = False
        layers.events.removed.connect(self._on_layer_removed)
        # A collection happens in any thread; the layers belong to the main thread.
        self._collected.connect(self._freeze, Qt.ConnectionType.QueuedConnection)
        gc.callbacks.append(self._on_collection)
        # While the dock is being opened nobody waits for a click.
        gc.collect()

    def pause(self) -> None:
        """Disable collections until `begin`: loading makes objects that stay, and little waste."""
        gc.disable()

    def begin(self) -> None:
        """Freeze all objects: the slow part of loading is over, or failed."""
        self._is_due = False
        # Quick, except for the first time; the objects that loading made are no waste.
        if self._gone or self._frozen:
            gc.collect()
        self._freeze()
        # Not before: the overdue collection would visit everything.
        gc.enable()

    def close(self) -> None:
        """Unfreeze all objects."""
        self._layers.events.removed.disconnect(self._on_layer_removed)
        gc.callbacks.remove(self._on_collection)
        gc.enable()
        gc.unfreeze()

    def _freeze(self) -> None:
        self._gone.clear()
        if self._leaving:
            self._is_due = True
            return
        self._frozen = WeakSet(self._layers)
        gc.freeze()

    def _on_layer_removed(self, event: Any) -> None:
        if event.value in self._frozen:
            gc.unfreeze()
            self._frozen.discard(event.value)
            self._leaving.add(event.value)
            self._is_due = True
        else:
            self._gone.add(event.value)

    def _on_collection(self, phase: str, facts: dict[str, int]) -> None:
        if phase == "stop" and facts["generation"] == _FULL and self._is_due and not self._leaving:
            self._is_due = False
            self._collected.emit()
