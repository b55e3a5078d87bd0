"""What the user of a dock chose last time: a tiny network, without a timed trial of arithmetic."""

from __future__ import annotations

import json

from blob_dataset import TINY_MODEL
from napari_cfr_icl.session.preferences import preferences_file


def choose_tiny_model() -> None:
    """Write the choices to where docks that are opened from now on read them."""
    chosen = {"model": str(TINY_MODEL), "device": "cpu", "preset": "public-code"}
    file = preferences_file()
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(chosen))
