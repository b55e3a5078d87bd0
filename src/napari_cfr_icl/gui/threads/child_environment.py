"""The environment of processes that compute beside napari."""

from __future__ import annotations

import os


def child_environment() -> dict[str, str]:
    """Ours, with arithmetic threads that sleep while they wait for each other.

    By default they spin, and where two programs have more threads than there are cores, each spins
    away the time that the other needs: on two busy cores a training step took 60 s instead of 1.5.
    """
    return {"OMP_WAIT_POLICY": "PASSIVE", **os.environ}
