"""COCO json: polygons, and run lengths for objects with holes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cfr_icl.exports.outlines import outlines

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from napari_cfr_icl.engine.windows import Patch
    from napari_cfr_icl.exports.label_image import LabelImage

CATEGORY = {"id": 1, "name": "object", "supercategory": ""}


def write_coco(part: Path, image: LabelImage) -> None:
    """Write one image entry for each plane, and one annotation for each object on it.

    The object's id in the label image is kept as `label`; the plane of a stack as `plane`.
    """
    rows, cols = image.plane_shape
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for image_id, index in enumerate(image.planes(), start=1):
        entry = {"id": image_id, "file_name": image.image_name, "width": cols, "height": rows}
        images.append(entry | ({"plane": list(index)} if index else {}))
        for label, mask in image.objects(index):
            described = _annotation(mask) | {"label": label, "image_id": image_id}
            annotations.append({"id": len(annotations) + 1, **described})
    content = {"images": images, "annotations": annotations, "categories": [CATEGORY]}
    part.write_text(json.dumps(content) + "\n", encoding="utf-8")


def _annotation(mask: Patch) -> dict[str, Any]:
    box, parts = mask.window, outlines(mask)
    has_holes = any(part.holes for part in parts)
    polygons = [[x for row, col in part.exterior for x in (col, row)] for part in parts]
    return {
        "category_id": CATEGORY["id"],
        "segmentation": run_lengths(mask) if has_holes else polygons,
        "bbox": [box.left, box.top, box.width, box.height],
        "area": int(mask.values.sum()),
        "iscrowd": 0,
    }


def run_lengths(mask: Patch) -> dict[str, Any]:
    """A mask as COCO's uncompressed run lengths: column by column, background first."""
    rows, cols = mask.image_shape
    return {"size": [rows, cols], "counts": list(_counts(mask, rows * cols))}


def _counts(mask: Patch, size: int) -> Iterator[int]:
    at_cols, at_rows = np.nonzero(mask.values.T)
    places = (at_cols + mask.window.left) * mask.image_shape[0] + at_rows + mask.window.top
    breaks = np.flatnonzero(np.diff(places) > 1)
    starts = places[np.r_[0, breaks + 1]]
    stops = places[np.r_[breaks, -1]] + 1
    done = 0
    for start, stop in zip(starts.tolist(), stops.tolist(), strict=True):
        yield start - done
        yield stop - start
        done = stop
    if done < size:
        yield size - done
