"""GeoJSON as QuPath reads it: annotations in pixels of the image, with holes and planes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from napari_cfr_icl.exports.outlines import Ring, as_x_y, outlines

if TYPE_CHECKING:
    from pathlib import Path

    from napari_cfr_icl.engine.windows import Patch
    from napari_cfr_icl.exports.label_image import LabelImage


def write_geojson(part: Path, image: LabelImage) -> None:
    """Write a FeatureCollection with one feature for each object on each plane."""
    features = [
        _feature(label, mask, image.named(index))
        for index in image.planes()
        for label, mask in image.objects(index)
    ]
    content = {"type": "FeatureCollection", "features": features}
    part.write_text(json.dumps(content) + "\n", encoding="utf-8")


def _feature(label: int, mask: Patch, plane: dict[str, int]) -> dict[str, Any]:
    polygons = [
        [_closed(part.exterior), *(_closed(hole) for hole in part.holes)] for part in outlines(mask)
    ]
    geometry: dict[str, Any] = {"type": "Polygon", "coordinates": polygons[0]}
    if len(polygons) > 1:
        geometry = {"type": "MultiPolygon", "coordinates": polygons}
    if plane:
        geometry["plane"] = {"c": -1, "z": plane.get("Z", 0), "t": plane.get("T", 0)}
    return {
        "type": "Feature",
        "geometry": geometry,
        "properties": {"objectType": "annotation", "name": f"object {label}", "label": label},
    }


def _closed(ring: Ring) -> list[list[Any]]:
    return as_x_y([*ring, ring[0]])
