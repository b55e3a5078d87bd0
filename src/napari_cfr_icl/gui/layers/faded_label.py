"""Fading of a grabbed object in its labels, so that its new mask stands out."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
from napari.layers import Labels
from napari.utils.colormaps import DirectLabelColormap

from napari_cfr_icl.engine.windows import Window
from napari_cfr_icl.gui.layers.label_target import LabelStore

FADED = 0.2
"""Opacity of the faded object, as a share of its own."""

MOST_PIXELS = 1 << 24
"""Larger planes are not searched for the ids that keep their colours."""

LOWEST, HIGHEST = -(1 << 15), 1 << 16
"""Ids that napari can colour one by one without a compiler; a layer with others fades nothing."""

NEW = np.array([0.6, 0.6, 0.6, 1.0])
"""Colour of ids that are painted while an object is faded."""


class FadedLabel:
    """Fades one object of a labels layer by way of the layer's colours, which `end` restores."""

    def __init__(self) -> None:
        self._layer: Labels | None = None
        self._faded: tuple[LabelStore, int] | None = None

    def show(self, store: LabelStore | None, label: int | None) -> None:
        """Fade the object `label` of a plane instead of the last one; None fades nothing."""
        wanted = None if store is None or label is None else (store, label)
        if wanted != self._faded:
            self.end()
            self._faded = wanted
            if store is not None and label is not None and store.is_there:
                self._fade(store, label)

    def end(self) -> None:
        """Restore the colours, unless the user has chosen others."""
        self._faded = None
        layer, self._layer = self._layer, None
        if layer is not None and layer.colormap is self._ours:
            layer.colormap = self._before

    def _fade(self, store: LabelStore, label: int) -> None:
        layer, (rows, cols) = store.layer, store.shape
        if rows * cols > MOST_PIXELS:
            return
        ids = np.union1d(store.read(Window(0, 0, rows, cols)), [label, layer.selected_label])
        if ids[0] < LOWEST or ids[-1] > HIGHEST:
            return
        colours = dict(zip(ids.tolist(), np.asarray(layer.colormap.map(ids)), strict=True))
        colours[label] = colours[label] * [1, 1, 1, FADED]
        self._before = layer.colormap
        layer.colormap = DirectLabelColormap(
            color_dict=defaultdict(lambda: NEW, {None: NEW, **colours})
        )
        self._layer, self._ours = layer, layer.colormap
