"""Numbers recorded from the public code, for the tests of training."""

from __future__ import annotations

from pathlib import Path

import numpy as np

GOLDEN = Path(__file__).parents[1] / "data" / "golden"


def golden(name: str) -> dict[str, np.ndarray]:
    """The arrays of a recorded file, by name."""
    with np.load(GOLDEN / name) as arrays:
        return {key: arrays[key] for key in arrays.files}
