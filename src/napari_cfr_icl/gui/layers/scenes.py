"""Image layers as the engine sees them: the pixels of one plane, rendered as on the screen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from napari.components import Dims
from napari.layers import Image

from napari_cfr_icl.engine.rendering import Rendering
from napari_cfr_icl.engine.source import ImageSource
from napari_cfr_icl.gui.layers.channels import ChannelSource, DrawnSource
from napari_cfr_icl.gui.layers.planes import LayerPlane
from napari_cfr_icl.gui.layers.projection import ProjectedArray, slab_of
from napari_cfr_icl.images.plane import Plane
from napari_cfr_icl.session.objects import Scene


def scene_of(
    layer: Image, plane: LayerPlane, together: Sequence[Image] = (), dims: Dims | None = None
) -> Scene:
    """A plane of an image layer for the session; holds the arrays, never the layers.

    Parameters
    ----------
    layer : napari.layers.Image
        The image.
    plane : LayerPlane
        One of its planes.
    together : sequence of napari.layers.Image
        The layers that are rendered with it, as `channels_of` finds them; none by default.
    dims : napari.components.Dims, optional
        The thickness of the plane that napari draws; a single plane by default.
    """
    if together and list(together) != [layer]:
        mixed = zip(*(_levels(channel, plane, dims) for channel in together), strict=True)
        source: ImageSource = ChannelSource(together, plane, [list(level) for level in mixed])
        return Scene((layer.unique_id, plane), source, plane.shape)
    position = plane.index + ((0,) if layer.rgb else ())
    channels = layer.ndim if layer.rgb else None
    where = Plane(*plane.axes, channels, position)
    levels = _levels(layer, plane, dims)
    kind = DrawnSource if isinstance(levels[0], ProjectedArray) else ImageSource
    source = kind(levels, rendering_of(layer), where)
    return Scene((layer.unique_id, plane), source, plane.shape)


def rendering_of(layer: Image) -> Rendering:
    """The rendering of a layer: grey with its contrast limits and gamma; RGB as it is."""
    if layer.rgb:
        # Napari draws RGB over the whole range of its type, whatever the contrast limits.
        if layer.dtype.kind in "iu":
            return Rendering.rgb(0, float(np.iinfo(layer.dtype).max))
        return Rendering.rgb(0, 1)
    low, high = (float(limit) for limit in layer.contrast_limits)
    return Rendering.grey(low, high, float(layer.gamma))


def _levels(layer: Image, plane: LayerPlane, dims: Dims | None) -> list[Any]:
    """The array, or the levels of a pyramid that hold the plane at the same index, projected."""
    levels = list(layer.data) if layer.multiscale else [layer.data]
    across = [axis for axis in range(layer.ndim) if axis not in plane.axes]
    finest = levels[0].shape
    levels = [x for x in levels if all(x.shape[axis] == finest[axis] for axis in across)]
    thick = dims is not None and any((*dims.margin_left, *dims.margin_right))
    slab = slab_of(layer, plane, dims) if thick else {}
    mode = str(layer.projection_mode)
    return [ProjectedArray(level, slab, mode) for level in levels] if slab else levels
