"""The files that `segment` leaves: all of them whole, or none."""

from __future__ import annotations

import json
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cfr_icl._errors import OutputError
from napari_cfr_icl._files import atomic_path, explain_write_failure
from napari_cfr_icl.exports.label_image import LabelImage
from napari_cfr_icl.exports.tiff import write_tiff

if TYPE_CHECKING:
    from pathlib import Path

    from napari_cfr_icl.engine.windows import Patch


def write_results(out: Path, mask: Patch, trace_path: Path | None, trace: dict[str, Any]) -> None:
    """Write the mask as a label image of 0 and 1, and the trace if it is wanted.

    Parameters
    ----------
    out : Path
        The mask's file; replaced if it exists.
    mask : Patch
        bool.
    trace_path : Path or None
        The trace's file.
    trace : dict
        Plain data.

    Raises
    ------
    OutputError
        When one of them cannot be written; files that were there before stay as they were.
    """
    folder = out.parent
    try:
        with ExitStack() as stack:
            mask_part = stack.enter_context(atomic_path(out))
            write_tiff(mask_part, LabelImage(mask.full().astype(np.uint8)), out.name)
            if trace_path is not None:
                folder = trace_path.parent
                trace_part = stack.enter_context(atomic_path(trace_path))
                trace_part.write_text(json.dumps(trace, indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise OutputError(explain_write_failure(error, folder)) from error
