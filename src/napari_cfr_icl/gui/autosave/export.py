"""Export of a Labels layer for other programs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from napari.layers import Image, Labels

from napari_cfr_icl._errors import OutputError
from napari_cfr_icl.exports.label_image import PIXEL, LabelImage
from napari_cfr_icl.exports.writing import FORMATS, check_suffix, export
from napari_cfr_icl.gui.autosave.image_log import path_of
from napari_cfr_icl.images.pixel_sizes import METRES, SECONDS


def label_image(layer: Labels, image_name: str) -> LabelImage:
    """The layer's numbers, copied, with its scale and units. Lazy arrays are read as a whole."""
    scale, units = zip(*map(_measured, layer.scale, layer.units), strict=True)
    return LabelImage(np.array(layer.data), image_name, scale, units, tuple(layer.axis_labels))


def _measured(size: float, unit: Any) -> tuple[float, str]:
    """A size and its unit, in one that files know: two weeks are 1209600 s."""
    symbol = PIXEL if str(unit) == PIXEL else f"{unit:~}"
    if symbol not in METRES | SECONDS:
        for known in ("s", "µm"):
            if unit.is_compatible_with(known):
                return float((float(size) * unit).to(known).magnitude), known
    return float(size), symbol


def chosen_path(file: str, chosen_filter: str) -> Path:
    """The path from a dialog, with the ending of the format that was chosen where it has none.

    Raises
    ------
    OutputError
        When its ending belongs to no format.
    """
    path = Path(file)
    if not path.suffix:
        suffixes = (suffix for suffix, name in FORMATS.items() if name == chosen_filter)
        path = path.with_suffix(next(suffixes, ".tif"))
    check_suffix(path)
    return path


def export_layer(path: Path, layer: Labels, image: Image | None) -> int:
    """Export a layer; returns the number of objects. Raises OutputError where it cannot be.

    The file of the image itself is never written over.
    """
    source = None if image is None else path_of(image)
    if source is not None and Path(source).resolve() == path.resolve():
        raise OutputError(f"{path} is the image itself: choose another name.")
    name = Path(source).name if source else "image" if image is None else image.name
    return export(path, label_image(layer, name))
