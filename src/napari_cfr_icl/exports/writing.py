"""One call for all formats: the name's ending decides, and the file is whole or not there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_cfr_icl._errors import OutputError
from napari_cfr_icl._files import atomic_path, explained_write_failures
from napari_cfr_icl.exports.coco import write_coco
from napari_cfr_icl.exports.geojson import write_geojson
from napari_cfr_icl.exports.imagej import write_rois
from napari_cfr_icl.exports.tiff import write_tiff

if TYPE_CHECKING:
    from pathlib import Path

    from napari_cfr_icl.exports.label_image import LabelImage

FORMATS = {
    ".tif": "Label image (*.tif *.tiff)",
    ".json": "COCO (*.json)",
    ".geojson": "GeoJSON for QuPath (*.geojson)",
    ".zip": "ImageJ ROIs (*.zip)",
}
"""The usual ending of each format, and how a file dialog names it."""

_WRITERS = {".json": write_coco, ".geojson": write_geojson, ".zip": write_rois}
_TIFFS = (".tif", ".tiff")


def check_suffix(path: Path) -> None:
    """Raise OutputError where the name's ending belongs to no format."""
    if path.suffix.lower() not in (*_TIFFS, *_WRITERS):
        raise OutputError(
            f"{path.name} does not say in which format to export: let it end in "
            f"{', '.join(FORMATS)}."
        )


def export(path: Path, image: LabelImage) -> int:
    """Write labels in the format that the name's ending says.

    Parameters
    ----------
    path : Path
        .tif, .tiff, .json (COCO), .geojson or .zip (ImageJ ROIs); replaced if it exists.
    image : LabelImage
        The labels.

    Returns
    -------
    int
        Number of different ids that were written.

    Raises
    ------
    OutputError
        When the ending is of no format, there is no object, or the file cannot be written. What
        was there before stays as it was.
    """
    check_suffix(path)
    count = len({label for index in image.planes() for label, _ in image.objects(index)})
    if not count:
        raise OutputError("There are no objects in the labels yet: nothing was exported.")
    write_labels(path, image)
    return count


def write_labels(path: Path, image: LabelImage) -> None:
    """As `export`, for labels that may well be empty."""
    with explained_write_failures(path.parent), atomic_path(path) as part:
        if path.suffix.lower() in _TIFFS:
            write_tiff(part, image, path.name)
        else:
            _WRITERS[path.suffix.lower()](part, image)
