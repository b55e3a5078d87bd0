"""Publishing: a finished run's model enters the model menu."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from napari_cfr_icl import zoo
from napari_cfr_icl._errors import ModelFileError

if TYPE_CHECKING:
    from pathlib import Path


def publish_model(run: Path, name: str | None = None, *, anyway: bool = False) -> str:
    """Put a run's model into the model menu.

    Parameters
    ----------
    run : Path
        The run's folder.
    name : str, optional
        Its name in the menu; the folder's name by default.
    anyway : bool, optional
        Take a model, too, that did not pass the gate or never met it.

    Returns
    -------
    str
        Its name in the menu.

    Raises
    ------
    ModelFileError
        When the run has no model, or it did not pass the gate.
    """
    model = run / "model.safetensors"
    if not model.is_file():
        raise ModelFileError(f"{run} holds no finished run: there is no model in it.")
    if not anyway and (why := _objection(run)) is not None:
        raise ModelFileError(f"{why} To take it nevertheless, say so (--anyway).")
    return zoo.import_checkpoint(model, name or run.resolve().name)


def _objection(run: Path) -> str | None:
    """The gate's reason to reject the model; None if it passed."""
    try:
        verdict = json.loads((run / "gate" / "verdict.json").read_text("utf-8"))
    except (OSError, ValueError):
        return "The model of this run has not been compared with its base."
    return None if verdict["passed"] else str(verdict["sentence"])
