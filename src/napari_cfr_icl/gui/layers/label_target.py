"""Planes of the Labels layer that finished objects are written into."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from napari.layers import Image, Labels
from numpy.typing import NDArray

from napari_cfr_icl._errors import OutputError
from napari_cfr_icl.engine.windows import Patch, Window
from napari_cfr_icl.gui.layers.label_conversion import check_writable, ids_taken
from napari_cfr_icl.gui.layers.napari_private import region_painter, values_of
from napari_cfr_icl.gui.layers.new_labels import stored_chunks
from napari_cfr_icl.gui.layers.planes import (
    LayerPlane,
    on_grid,
    plane_to_plane,
    resampled,
    same_plane,
)

STRIP_PIXELS = 1 << 24
"""Number of pixels that are read at a time in search of the highest id."""


class LabelTarget:
    """A Labels layer, and the ids that are free in it.

    Parameters
    ----------
    layer : napari.layers.Labels
        The layer.
    highest : int, optional
        The highest id in it, if known; otherwise it is searched for when first needed.
    """

    def __init__(self, layer: Labels, highest: int | None = None) -> None:
        self.layer = layer
        self._highest = highest
        layer.events.paint.connect(self._on_layer_paint)
        layer.events.data.connect(self._on_layer_data)

    def close(self) -> None:
        """Stop listening to the layer."""
        self.layer.events.paint.disconnect(self._on_layer_paint)
        self.layer.events.data.disconnect(self._on_layer_data)

    def store_for(self, image: Image, plane: LayerPlane, point: Sequence[float]) -> LabelStore:
        """The layer's plane that lies where `plane` of `image` does.

        Parameters
        ----------
        image : napari.layers.Image
            The image.
        plane : LayerPlane
            One of its planes.
        point : sequence of float
            Where the viewer stands in the world, for axes that the image does not have.

        Raises
        ------
        OutputError
            When the layer has no such plane, or cannot be written.
        """
        if self.layer.multiscale:
            raise OutputError(
                f"The labels layer {self.layer.name!r} is a pyramid, which napari cannot edit; "
                "choose another one for the objects."
            )
        own = same_plane(plane, image, self.layer, point)
        if own is None:
            raise OutputError(
                f"The labels layer {self.layer.name!r} does not reach the plane that is shown; "
                "choose another one for the objects."
            )
        return LabelStore(self, own, plane_to_plane(own, self.layer, plane, image), plane.shape)

    def next_label(self) -> int:
        """The next free id.

        Raises
        ------
        OutputError
            When the layer's type has none left.
        """
        if self._highest is None:
            self._highest = _highest_label(self.layer.data)
        limit = np.iinfo(self.layer.dtype).max
        if self._highest >= limit:
            raise ids_taken(self.layer)
        return self._highest + 1

    def took(self, label: int) -> None:
        """Remember that `label` is in use."""
        if self._highest is not None:
            self._highest = max(self._highest, label)

    def _on_layer_paint(self, event: Any) -> None:
        # Scripts write other ids than the one that is selected.
        written = [values_of(atom)[1] for atom in event.value]
        self.took(max((int(np.max(ids)) for ids in written if np.size(ids)), default=0))

    def _on_layer_data(self) -> None:
        self._highest = None


class LabelStore:
    """One plane of a `LabelTarget`, as the session reads and writes it.

    Parameters
    ----------
    target : LabelTarget
        The layer.
    plane : LayerPlane
        Its plane.
    matrix : ndarray, shape (2, 3)
        Takes (row, column, 1) of this plane to (row, column) of the image's.
    image_shape : tuple of int
        (rows, columns) of the image's plane.
    """

    def __init__(
        self,
        target: LabelTarget,
        plane: LayerPlane,
        matrix: NDArray[np.float64],
        image_shape: tuple[int, int],
    ) -> None:
        self._target = target
        self._plane = plane
        self._data_shape = tuple(target.layer.data.shape)
        exact = on_grid(matrix, plane.shape)
        self.shares_pixels = exact is not None
        self._to_image = matrix if exact is None else exact
        self._is_same = plane.shape == image_shape and np.array_equal(self._to_image, np.eye(2, 3))
        self._image_shape = image_shape

    @property
    def layer(self) -> Labels:
        """The layer."""
        return self._target.layer

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, columns)."""
        return self._plane.shape

    @property
    def is_there(self) -> bool:
        """False once the layer's data have another shape."""
        return tuple(self.layer.data.shape) == self._data_shape

    def next_label(self) -> int:
        """The next free id of the layer."""
        return self._target.next_label()

    def fit(self, mask: Patch) -> Patch:
        """A mask of the image's plane in the pixels of this one."""
        return mask if self._is_same else resampled(mask, self._to_image, self.shape)

    def to_image(self, mask: Patch) -> Patch:
        """A mask of this plane in the pixels of the image's."""
        back = np.linalg.inv(np.vstack([self._to_image, [0, 0, 1]]))[:2]
        return resampled(mask, back, self._image_shape)

    def read(self, window: Window) -> NDArray[Any]:
        """The ids in `window`, as a copy."""
        self._check_shape()
        others = set(range(self._target.layer.ndim)) - set(self._plane.axes)
        return np.array(self._target.layer.data[self._box(window)]).squeeze(tuple(others))

    def others_in(self, mask: Patch, label: int | None) -> tuple[Patch, int] | None:
        """The pixels of an object that belong to others, and the one that has most of them.

        Parameters
        ----------
        mask : Patch of bool
            The object, on the image's plane. So are the pixels that are returned.
        label : int or None
            Its own id.
        """
        fitted = self.fit(mask)
        bounds = fitted.bounds()
        if bounds is None:
            return None
        ids = self.read(bounds)
        taken = fitted.read(bounds) & (ids != 0) & (ids != (label or 0))
        if not taken.any():
            return None
        found, counts = np.unique(ids[taken], return_counts=True)
        return self.to_image(Patch(taken, bounds, self.shape)), int(found[counts.argmax()])

    def write(self, window: Window, changed: NDArray[np.bool_], ids: NDArray[Any] | int) -> None:
        """Set the pixels of `window` where `changed` is true to `ids`, in order, or to one id.

        Napari's own undo covers it.

        Raises
        ------
        OutputError
            When the layer is locked, or its array does not take values or these ids.
        """
        layer = self._target.layer
        self._check_shape()
        check_writable(layer)
        if int(np.max(ids)) > np.iinfo(layer.dtype).max:
            raise ids_taken(layer)
        # Napari 0.9 paints regions in a tenth of the time and memory, with one id at a time. What a
        # file does with a region, only that file knows.
        single = np.ndim(ids) == 0 and isinstance(layer.data, np.ndarray)
        region = self._box(window), changed, ids, list(self._plane.axes)
        try:
            if single and not layer.preserve_labels and (paint := region_painter(layer, region)):
                paint(*region)
            else:
                layer.data_setitem(self._indices(window, changed), ids)
        except (TypeError, ValueError, NotImplementedError, OSError) as error:
            raise OutputError(
                f"The labels layer {layer.name!r} cannot be written ({error}); choose another one."
            ) from error
        self._target.took(int(np.max(ids)))

    def _check_shape(self) -> None:
        if not self.is_there:
            raise OutputError(
                f"The labels layer {self.layer.name!r} has another shape now than when this object "
                "was taken from it: undo the object, or drop it."
            )

    def _box(self, window: Window) -> tuple[slice, ...]:
        """A window of this plane in the layer's data."""
        box = [slice(index, index + 1) for index in self._plane.index]
        for axis, part in zip(self._plane.axes, window.slices, strict=True):
            box[axis] = part
        return tuple(box)

    def _indices(self, window: Window, chosen: NDArray[np.bool_]) -> tuple[NDArray[np.int32], ...]:
        """The layer's indices of the chosen pixels of a window, one array for each axis."""
        # Napari keeps them for its own undo; half the bytes do as well. Picked from open grids: ten
        # times as fast as np.nonzero for a large object.
        places = np.ogrid[window.top : window.bottom, window.left : window.right]
        rows, cols = (
            np.broadcast_to(place.astype(np.int32), chosen.shape)[chosen] for place in places
        )
        indices = [np.full(rows.shape, i, np.int32) for i in self._plane.index]
        indices[self._plane.axes[0]] = rows
        indices[self._plane.axes[1]] = cols
        return tuple(indices)


def _highest_label(data: Any) -> int:
    """The largest value of an array, read strip by strip, or by the chunks that a folder has."""
    if (chunks := stored_chunks(data)) is not None:
        return max((int(np.asarray(data[chunk]).max()) for chunk in chunks), default=0)
    if data.ndim == 0 or 0 in data.shape:
        return 0
    rest = int(np.prod(data.shape[1:], dtype=np.int64))
    if rest > STRIP_PIXELS:
        return max(_highest_label(data[i]) for i in range(data.shape[0]))
    step = max(1, STRIP_PIXELS // max(1, rest))
    return max(
        int(np.asarray(data[start : start + step]).max()) for start in range(0, data.shape[0], step)
    )
