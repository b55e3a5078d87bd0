"""Options of `segment`."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from errno import EACCES
from pathlib import Path

from napari_cfr_icl._errors import ClickError, OutputError, SettingsError
from napari_cfr_icl._files import explain_write_failure
from napari_cfr_icl._options import Options, option
from napari_cfr_icl.engine.clicks import Clicks
from napari_cfr_icl.engine.prompts.gestures import Box, Gesture, Lasso
from napari_cfr_icl.engine.settings import DEVICES, PRESETS, Precision, Settings, WindowHints
from napari_cfr_icl.zoo.catalog import DEFAULT_MODEL

_MASK_SUFFIXES = (".tif", ".tiff")


@dataclass(frozen=True, slots=True)
class PictureOptions(Options):
    """The picture that is meant in a file, and its axes."""

    series: str | None = option(
        None,
        "Number or name of a picture, where IMAGE holds several: 1, or A/1/0 on a plate.",
    )
    axes: str | None = option(None, "Axes of IMAGE, where the file leaves it open, such as CYX.")


@dataclass(frozen=True, slots=True)
class SegmentOptions(Options):
    """One image, a gesture and the clicks of one object in its pixels, and how to answer them."""

    image: Path
    clicks: Clicks
    gesture: Gesture | None
    plane: tuple[int, ...] | None
    out: Path = option(text="TIFF file for the mask: 1 on the object, 0 elsewhere.")
    previous: Path | None = option(None, "A mask to correct; all but 0 is object.")
    model: str = option(DEFAULT_MODEL, "Name or file of a model; see `models list`.")
    inference: str | None = option(None, "std, cfr-N or a-cfr-N; by default as the preset says.")
    threshold: int | None = option(
        None, "In pixels: a-cfr-N stops once a step changes fewer than this."
    )
    preset: str = option(PRESETS[0], f"{', '.join(PRESETS)}.")
    precision: Precision = option(
        "float32",
        "float32, bfloat16, float16 or int8; fast takes the fastest that this machine does not "
        "only emulate.",
    )
    device: str = option("auto", DEVICES)
    picture: PictureOptions = field(default_factory=PictureOptions)
    trace: Path | None = option(None, "JSON file for what every pass of every click did.")

    def __post_init__(self) -> None:
        if not self.clicks and self.previous is None and self.gesture is None:
            raise ClickError(
                "Give at least one --click, or a mask to refine with --previous; or begin with "
                "--box, --scribble or --lasso."
            )
        if self.previous is not None and isinstance(self.gesture, Box | Lasso):
            raise SettingsError("A box or lasso stands for a mask: leave --previous out, or it.")
        self.settings(None)
        check_outputs(self.image, *([self.out] if self.trace is None else [self.out, self.trace]))

    def settings(self, model: WindowHints | None) -> Settings:
        """The settings for a network (None: for none in particular).

        Raises
        ------
        SettingsError
            When there is no such preset or inference scheme, or the threshold is out of range.
        """
        settings = replace(Settings.preset(self.preset, model), precision=self.precision)
        if self.inference is not None:
            settings = settings.with_inference(self.inference)
        if self.threshold is None:
            return settings
        # Whoever names a number of pixels means that number, not a share of the object besides.
        refinement = replace(
            settings.refinement, threshold_pixels=self.threshold, threshold_fraction=0.0
        )
        return replace(settings, refinement=refinement)


def check_outputs(image: Path, out: Path, *others: Path) -> None:
    """Check where results are written: a TIFF file, and others.

    Raises
    ------
    OutputError
        When one of them cannot be written, or is the image or another of them.
    """
    if out.suffix.lower() not in _MASK_SUFFIXES:
        raise OutputError(f"The mask is written as TIFF: let {out} end in .tif.")
    paths = (out, *others)
    for path in paths:
        _check_output(path)
        if path.resolve() == image.resolve():
            raise OutputError(f"{path} is the image itself: choose another name.")
    if len({path.resolve() for path in paths}) < len(paths):
        raise OutputError("Mask and trace need different names.")


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
