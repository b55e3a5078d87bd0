"""The command `demo`."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from napari_cfr_icl._errors import CfrIclError


def demo(
    *,
    out: Annotated[
        Path, Parameter(help="Folder of the pictures and labels, where nobody is looking.")
    ] = Path("demo"),
) -> None:
    """Open napari on sample images.

    Without a display, it clicks by itself and leaves pictures and labels in a folder.
    """
    try:
        module = import_module("napari_cfr_icl.gui.app.demo")
    except ImportError as error:
        if (error.name or "").startswith("napari_cfr_icl"):
            raise  # a mistake of ours
        raise CfrIclError(
            f'The demo needs napari and a Qt binding ({error}): pip install "napari-cfr-icl[all]".'
        ) from error
    module.run(out)
