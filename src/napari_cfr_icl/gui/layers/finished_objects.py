"""Finished objects in a part of the image's plane, from the labels that lie there."""

from __future__ import annotations

import numpy as np

from napari_cfr_icl.engine.windows import Patch, Window
from napari_cfr_icl.exports.label_image import LabelImage
from napari_cfr_icl.gui.layers.label_target import LabelStore


def objects_in(store: LabelStore, region: Window, shape: tuple[int, int]) -> list[Patch]:
    """The objects in a region, or their parts that are in it, as patches of bool of the image.

    Parameters
    ----------
    store : LabelStore
        The labels.
    region : Window
        In pixels of the image's plane.
    shape : tuple of int
        (rows, columns) of that plane.
    """
    box = _box(store, region, shape)
    if box is None:
        return []
    there = Window(-box.top, -box.left, *box.shape)
    return [
        store.to_image(Patch(mask.values, mask.window.relative_to(there), store.shape))
        for _, mask in LabelImage(store.read(box)).objects(())
    ]


def taken_in(store: LabelStore, region: Window, shape: tuple[int, int]) -> Patch | None:
    """The pixels of all objects in a region, of the image's plane; None outside the labels."""
    box = _box(store, region, shape)
    return None if box is None else store.to_image(Patch(store.read(box) != 0, box, store.shape))


def _box(store: LabelStore, region: Window, shape: tuple[int, int]) -> Window | None:
    return store.fit(Patch(np.ones(region.shape, bool), region, shape)).bounds()
