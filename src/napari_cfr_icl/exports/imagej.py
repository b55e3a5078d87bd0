"""ImageJ ROIs in a zip, for Fiji's ROI Manager: polygons, composites where there are holes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from roifile import ROI_OPTIONS, ROI_TYPE, ImagejRoi, roiwrite

from napari_cfr_icl.exports.outlines import Ring, as_x_y, outlines

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from napari_cfr_icl.engine.windows import Patch
    from napari_cfr_icl.exports.label_image import LabelImage

# How ImageJ writes the segments of a path.
_MOVE, _LINE, _CLOSE = 0.0, 1.0, 4.0


def write_rois(part: Path, image: LabelImage) -> None:
    """Write one ROI for each object on each plane, named by plane and id."""
    roiwrite(part, _rois(image), mode="w")


def _rois(image: LabelImage) -> Iterator[ImagejRoi]:
    for index in image.planes():
        plane = image.named(index)
        where = "".join(f"{letter.lower()}{number:04d}-" for letter, number in plane.items())
        for label, mask in image.objects(index):
            roi = _roi(mask)
            roi.name = f"{where}{label:04d}"
            # ImageJ counts planes from 1; 0 means all of them.
            if len(plane) == 1:
                roi.position = index[0] + 1
            elif plane:
                roi.z_position, roi.t_position = (plane.get(letter, -1) + 1 for letter in "ZT")
            yield roi


def _roi(mask: Patch) -> ImagejRoi:
    parts = outlines(mask)
    rings = [ring for part in parts for ring in (part.exterior, *part.holes)]
    if len(rings) > 1:
        return _composite(mask, rings)
    roi = ImagejRoi.frompoints(np.array(as_x_y(rings[0])))
    roi.roitype = ROI_TYPE.POLYGON
    # `frompoints` counts the last pixel twice over; corners end where the box does.
    return _boxed(roi, mask)


def _composite(mask: Patch, rings: list[Ring]) -> ImagejRoi:
    path: list[float] = []
    for ring in rings:
        for number, (x, y) in enumerate(as_x_y(ring)):
            path += [_LINE if number else _MOVE, x, y]
        path.append(_CLOSE)
    roi = ImagejRoi()
    roi.roitype = ROI_TYPE.RECT
    roi.options = ROI_OPTIONS.OVERLAY_BACKGROUNDS | ROI_OPTIONS.OVERLAY_LABELS
    roi.multi_coordinates = np.array(path, np.float32)
    roi.shape_roi_size = len(path)
    return _boxed(roi, mask)


def _boxed(roi: ImagejRoi, mask: Patch) -> ImagejRoi:
    box = mask.window
    roi.top, roi.left, roi.bottom, roi.right = box.top, box.left, box.bottom, box.right
    return roi
