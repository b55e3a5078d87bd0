"""Image layers that are rendered together, as napari adds up the channels of a microscope.

The model sees the picture on the screen, so the visibility, the colour and the contrast of a layer
are the mixer.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from napari.components import LayerList
from napari.layers import Image, Layer
from numpy.typing import NDArray
from psygnal import Signal

from napari_cfr_icl.engine.rendering import WHITE, Channel, Rendering
from napari_cfr_icl.engine.source import ImageSource
from napari_cfr_icl.gui.layers.planes import LayerPlane, data_shape
from napari_cfr_icl.images.plane import Plane

RGBA = 4
_LOOKS = (
    *("visible", "opacity", "blending", "colormap", "contrast_limits", "gamma", "projection_mode"),
    *("scale", "translate", "rotate", "shear", "affine"),
)


class ChannelArray:
    """Arrays of one shape as one lazy array with a last axis of channels.

    Parameters
    ----------
    arrays : sequence of array-like
        Numpy, dask, zarr, a memory map.
    """

    def __init__(self, arrays: Sequence[Any]) -> None:
        self._arrays = arrays
        self.shape = (*arrays[0].shape, len(arrays))
        self.ndim = len(self.shape)
        self.dtype = np.result_type(*(array.dtype for array in arrays))

    def __getitem__(self, index: tuple[Any, ...]) -> NDArray[Any]:
        *place, channel = index
        parts = [np.asarray(array[tuple(place)]) for array in self._arrays]
        return np.stack(parts, axis=-1)[..., channel]


class DrawnSource(ImageSource):
    """A plane as napari draws it, which no file holds."""


class ChannelSource(DrawnSource):
    """A plane of several layers."""

    def __init__(self, channels: Sequence[Image], plane: LayerPlane, levels: list[list[Any]]):
        where = Plane(*plane.axes, channels[0].ndim, (*plane.index, 0))
        rendering = Rendering(_drawn(channels))
        super().__init__([ChannelArray(level) for level in levels], rendering, where)


class ChannelWatch:
    """Watches the layers that make up a picture.

    `changed` is emitted when other channels are visible, or rendered differently; `arranged` when
    any layer was added, removed, moved or changed, so that another one may cover the picture.

    Parameters
    ----------
    layers : napari.components.LayerList
        The viewer's layers.

    Attributes
    ----------
    together : list of napari.layers.Image
        The layers that are rendered together, the lowest first.
    """

    changed = Signal()
    arranged = Signal()

    def __init__(self, layers: LayerList) -> None:
        self._layers = layers
        self._image: Image | None = None
        self._followed: list[Image] = []
        self.together: list[Image] = []
        self._look: tuple[Any, ...] = ()
        for event in self._list_events():
            event.connect(self._on_layers_changed)

    def watch(self, image: Image | None) -> None:
        """Follow the picture that `image` is part of."""
        self._image = image
        self._follow([] if image is None else [x for x in self._layers if isinstance(x, Image)])
        self._look = self._current_look()

    def close(self) -> None:
        """Disconnect from all layers."""
        for event in self._list_events():
            event.disconnect(self._on_layers_changed)
        self.watch(None)

    def _list_events(self) -> list[Any]:
        events = self._layers.events
        return [events.inserted, events.removed, events.reordered]

    def _follow(self, layers: list[Image]) -> None:
        for layer in set(self._followed) - set(layers):
            for name in _LOOKS:
                getattr(layer.events, name).disconnect(self._on_look)
            layer.events.data.disconnect(self._on_data)
        for layer in set(layers) - set(self._followed):
            for name in _LOOKS:
                getattr(layer.events, name).connect(self._on_look)
            layer.events.data.connect(self._on_data)
        self._followed = layers

    def _current_look(self) -> tuple[Any, ...]:
        image = self._image
        self.together = [] if image is None else channels_of(image, self._layers)
        names = [(layer.unique_id, str(layer.projection_mode)) for layer in self.together]
        return tuple(zip(names, _drawn(self.together), strict=True))

    def _on_layers_changed(self) -> None:
        if self._image is not None and self._image in self._layers:
            self._follow([layer for layer in self._layers if isinstance(layer, Image)])
            self._on_look()

    def _on_look(self, event: Any = None) -> None:
        look = self._current_look()
        if look != self._look:
            self._look = look
            self.changed.emit()
        self.arranged.emit()

    def _on_data(self, event: Any) -> None:
        before, self._look = self._look, self._current_look()
        if event.source in self.together or self._look != before:
            self.changed.emit()


def channels_of(image: Image, layers: Iterable[Layer]) -> list[Image]:
    """The layers that are rendered together with `image`, the lowest first.

    They have its pixel grid, and all but the lowest are blended additively. An `image` that is
    covered by others stands alone; one that is hidden is not among them.
    """
    seen: list[Image] = []
    for layer in reversed(list(layers)):
        if isinstance(layer, Image) and layer.visible and _coincide(layer, image):
            seen.insert(0, layer)
            if layer.blending != "additive":
                break
    return seen if image in seen or (seen and not image.visible) else [image]


def cover_of(image: Image, layers: Iterable[Layer]) -> Image | None:
    """The topmost image layer that hides `image`, or part of it; None where it can be seen."""
    for layer in reversed(list(layers)):
        if layer is image:
            return None
        if isinstance(layer, Image) and _hides(layer) and _overlap(layer, image):
            return layer
    return None


def lies_on(layer: Image, image: Image) -> bool:
    """True for a layer with the rows and columns of an image, and at its place."""
    same = data_shape(layer)[-2:] == data_shape(image)[-2:]
    return same and _overlap(layer, image)


def _hides(layer: Image) -> bool:
    """True for a layer that hides everything below it."""
    solid = layer.blending in ("opaque", "translucent", "translucent_no_depth")
    transparent = layer.rgb and _shapes(layer)[0][-1] == RGBA
    return bool(layer.visible and layer.opacity == 1.0 and solid and not transparent)


def _overlap(one: Layer, other: Layer) -> bool:
    """True for layers that overlap in the world, whose last axes all layers have."""
    axes = min(one.ndim, other.ndim)
    (low, high), (bottom, top) = (layer.extent.world[:, -axes:] for layer in (one, other))
    return bool(np.all(low < top) and np.all(bottom < high))


def _coincide(layer: Image, image: Image) -> bool:
    """True for two grey layers on the same pixel grid."""
    if layer is image:
        return not image.rgb
    if layer.rgb or image.rgb or layer.multiscale != image.multiscale or layer.ndim != image.ndim:
        return False
    if data_shape(layer) != data_shape(image) or _shapes(layer) != _shapes(image):
        return False
    places = [np.zeros(image.ndim), *np.diag(data_shape(image)).astype(float)]
    return all(np.allclose(layer.data_to_world(at), image.data_to_world(at)) for at in places)


def _shapes(layer: Image) -> list[tuple[int, ...]]:
    return [tuple(level.shape) for level in (layer.data if layer.multiscale else [layer.data])]


def _drawn(layers: Sequence[Image]) -> tuple[Channel, ...]:
    """The rendering of layers together; a single one is grey, whatever its colormap."""
    alone = len(layers) == 1
    return tuple(_channel(i, layer, grey=alone) for i, layer in enumerate(layers))


def _channel(index: int, layer: Image, *, grey: bool) -> Channel:
    """The rendering of a layer: its colour at full brightness, contrast limits and gamma."""
    colour = WHITE
    if not grey:
        brightest = np.asarray(layer.colormap.map(1.0)).reshape(-1)[:3] * float(layer.opacity)
        colour = (float(brightest[0]), float(brightest[1]), float(brightest[2]))
    low, high = (float(limit) for limit in layer.contrast_limits)
    return Channel(index, colour, low, high, float(layer.gamma))
