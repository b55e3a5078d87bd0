"""What `segment` was asked for, checked as far as it can be without reading anything large."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from errno import EACCES
from typing import TYPE_CHECKING

from napari_cfr_icl._errors import ClickError, OutputError, SettingsError
from napari_cfr_icl._files import explain_write_failure
from napari_cfr_icl.engine.settings import Settings

if TYPE_CHECKING:
    from pathlib import Path

    from napari_cfr_icl.engine.clicks import Clicks
    from napari_cfr_icl.engine.settings import Precision, WindowHints

MASK_SUFFIXES = (".tif", ".tiff")


@dataclass(frozen=True, slots=True)
class SegmentRequest:
    """One image, the clicks of one object, and how to answer them.

    Parameters
    ----------
    image : Path
        The image's file, or Zarr folder.
    out : Path
        The mask's file.
    clicks : Clicks
        In pixels of the image, oldest first.
    previous : Path or None
        File of a mask to correct.
    model : str
        A name, or a file.
    inference : str or None
        "std", "cfr-N", "a-cfr-N"; None leaves it to the preset.
    threshold : int or None
        A-CFR's threshold in pixels, and nothing else; None leaves it to the preset.
    preset : str
        One of `PRESETS`.
    precision : str
        "float32" or "fast", whatever the preset says.
    device : str
        See `pick_device`.
    plane : tuple of int or None
        Which plane of a stack.
    axes : str or None
        A letter for each axis of the image.
    trace : Path or None
        Where to write what every pass did.
    """

    image: Path
    out: Path
    clicks: Clicks
    previous: Path | None
    model: str
    inference: str | None
    threshold: int | None
    preset: str
    precision: str
    device: str
    plane: tuple[int, ...] | None
    axes: str | None
    trace: Path | None

    def check(self) -> None:
        """Raise what is wrong, before anything that takes long.

        Raises
        ------
        CfrIclError
            With one sentence that says what to do.
        """
        if not self.clicks and self.previous is None:
            raise ClickError("Give at least one --click, or a mask to refine with --previous.")
        self.settings(None)
        if self.out.suffix.lower() not in MASK_SUFFIXES:
            raise OutputError(f"The mask is written as TIFF: let {self.out} end in .tif.")
        outputs = [self.out] if self.trace is None else [self.out, self.trace]
        for path in outputs:
            _check_output(path)
            if path.resolve() == self.image.resolve():
                raise OutputError(f"{path} is the image itself: choose another name.")
        if len({path.resolve() for path in outputs}) < len(outputs):
            raise OutputError("Mask and trace need different names.")

    def settings(self, model: WindowHints | None) -> Settings:
        """The settings for a network (None: for none in particular).

        Raises
        ------
        SettingsError
            When preset, precision, inference scheme or threshold cannot be.
        """
        settings = Settings.preset(self.preset, model)
        settings = replace(settings, precision=_precision(self.precision))
        if self.inference is not None:
            settings = settings.with_inference(self.inference)
        if self.threshold is None:
            return settings
        # Whoever names a number of pixels means that number, not a share of the object besides.
        refinement = replace(
            settings.refinement, threshold_pixels=self.threshold, threshold_fraction=0.0
        )
        return replace(settings, refinement=refinement)


def _precision(name: str) -> Precision:
    match name:
        case "float32" | "fast":
            return name
    raise SettingsError(f"The precision is float32 or fast, not {name!r}.")


def _check_output(path: Path) -> None:
    folder = path.parent
    if not folder.is_dir():
        raise OutputError(f"There is no folder {folder}: make it, or choose another.")
    if path.exists() and not path.is_file():
        raise OutputError(f"{path} is no file that could be written anew: choose another name.")
    if not os.access(folder, os.W_OK):
        raise OutputError(
            explain_write_failure(PermissionError(EACCES, os.strerror(EACCES)), folder)
        )
