"""Validated options of a prediction, and their presets.

Four presets of the same code: `paper` (the paper's meaning, the public code's windows and flip),
`public_code` (what the published program does where it departs from the paper), `interactive`
(for a person at a screen) and `whole_image` (as SAM and SAM 2 were published).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import Literal, Protocol, get_args

from napari_cfr_icl._errors import SettingsError
from napari_cfr_icl._options import Options, option

PRESETS = ("interactive", "paper", "public-code", "whole-image")
DEVICES = "auto, cpu, cuda, cuda:1 or mps."
"""Names of devices, for help texts."""

Arithmetic = Literal["float32", "bfloat16", "float16", "int8"]
ARITHMETICS: tuple[Arithmetic, ...] = get_args(Arithmetic)
Precision = Literal["float32", "bfloat16", "float16", "int8", "fast"]
MaskChoice = Literal["single", "best", "best-first", "stable", "best-first-stable"]
Padding = Literal["none", "mean", "black"]
Resampling = Literal["corners", "antialiased", "antialiased-8bit"]
Contrast = Literal["shown", "min-max", "percentiles"]
PublishedInput = Literal["padded", "padded-black", "stretched"]

_ENDLESS = 10**6
"""Side of a window that takes in any image."""


class WindowHints(Protocol):
    """Properties of a network that a preset needs: the input it was trained for, and its masks."""

    input_size: int
    fixed_square: bool
    published_masks: MaskChoice
    first_side: int
    published_input: PublishedInput | None
    published_contrast: Contrast


@dataclass(frozen=True, slots=True)
class Refinement(Options):
    """The inner loop after a click: CFR-n and A-CFR-n (paper section 3.1, Eq. 5).

    Parameters
    ----------
    steps : int
        Inner steps n after the first pass; 0 is standard inference.
    adaptive : bool
        Stop early when few pixels change (A-CFR).
    threshold_pixels : int
        A-CFR stops when fewer pixels than this change between two steps (paper: 20).
    threshold_fraction : float
        The same as a share of the object's area, 0 to 1; the larger of both thresholds counts.
    inclusive : bool
        Stop at the threshold too, not only below it (the public code does).
    first_clicks : int or None
        Refine the first k clicks of an object only (the public code's k is 1); None refines all.
    rezoom : bool
        Choose the window afresh between inner steps (the public code does); otherwise every inner
        step sees the same input image, as Eq. 5 says.
    guard : bool
        Refuse an inner step that contradicts a click.

    Raises
    ------
    SettingsError
        When a value is out of its range.
    """

    steps: int = option(0, limits=(0, 100), label="refinement steps")
    adaptive: bool = False
    threshold_pixels: int = option(20, limits=(0, 10**9), label="threshold in pixels")
    threshold_fraction: float = option(
        0.0, limits=(0, 1), label="threshold as a share of the object"
    )
    inclusive: bool = False
    first_clicks: int | None = option(None, limits=(0, 10**6), label="number of refined clicks")
    rezoom: bool = False
    guard: bool = False

    @property
    def name(self) -> str:
        """The scheme's name as written on a command line: std, cfr-4, a-cfr-4."""
        if self.steps == 0:
            return "std"
        return f"{'a-' if self.adaptive else ''}cfr-{self.steps}"


@dataclass(frozen=True, slots=True)
class Zoom(Options):
    """Choice of the network's window around the object.

    Parameters
    ----------
    target : int or tuple of int
        Size of the network's input in pixels: the longest side, aspect kept; or (rows, columns),
        aspect not kept.
    skip_clicks : int
        Up to this many clicks the whole image is the window, unscaled; -1 zooms from the start.
    expansion : float
        Side of the window over side of the object's box.
    growth : float
        Factor on `expansion` while the object reaches an edge of its window inside the image, and
        so is probably cut off; 1 changes nothing.
    min_side : int
        Smallest side of a window in image pixels.
    keep_iou : float
        A window stays while the newly wanted one overlaps it at least this much, 0 to 1.
    first_side : int or None
        Longest side in image pixels of the window for a first click with no mask and no view; None
        takes the whole image.
    follow_mask : bool
        Let a mask given from outside choose the window too (the public code does not).
    max_side : int or None
        Largest side of a window in image pixels, which bounds the memory of one prediction.
    shift : bool
        Move a window that reaches over the border back into the image, instead of cutting it off.
    """

    target: int | tuple[int, int] = option(
        400, limits=(32, 4096), label="target size of the window"
    )
    skip_clicks: int = -1
    expansion: float = option(1.4, limits=(1, 10), label="expansion of the window")
    growth: float = option(1.0, limits=(1, 10), label="growth of the window")
    min_side: int = option(200, limits=(1, 10**6), label="smallest side of a window")
    keep_iou: float = option(0.5, limits=(0, 1), label="overlap at which a window stays")
    first_side: int | None = option(None, limits=(32, 10**6), label="side of the first window")
    follow_mask: bool = False
    max_side: int | None = None
    shift: bool = False


@dataclass(frozen=True, slots=True)
class Settings(Options):
    """Everything that decides a prediction, besides the network, the image and the clicks.

    Parameters
    ----------
    refinement : Refinement
        The inner loop.
    zoom : Zoom or None
        The window; None always takes the whole image.
    limit_side : int or None
        Shrink an image whose longest side exceeds this, where no window was chosen.
    flip : bool
        Average the logits of the image and of its mirror image; doubles the cost.
    mask_threshold : float
        Probability above which a pixel belongs to the object (the public evaluation uses 0.49).
    reduced_reads : bool
        Read a window that is larger than the network's input by averaging blocks of pixels, or from
        a coarser level of a pyramid, instead of in full resolution.
    precision : str
        "float32", "bfloat16", "float16" or "int8"; or "fast" for the fastest that this machine
        computes without emulation, by a rule.
    masks : MaskChoice
        Which mask to take of a network of SAM's kind, which offers one, and three alternatives for
        an ambiguous click with predicted qualities: "single", the one; "best", the best of the
        three; "best-first", that at a first click only, as SAM's authors advise; "stable", the
        single one unless it depends on the threshold too much, as SAM 2 where one mask is asked
        for; "best-first-stable", both, as SAM 2 is clicked.
    padding : {"none", "mean", "black"}
        Fill a window of the target size up to a square, right and below, with the mean colour of
        the training images or with black, instead of rounding its sides.
    resampling : {"corners", "antialiased", "antialiased-8bit"}
        Bilinear between the centres of the corner pixels, as RITM's family does it; antialiased, as
        SAM 2 does; or antialiased and rounded to 8 bits, as SAM does.
    contrast : {"shown", "min-max", "percentiles"}
        The picture as it is rendered; or each colour of a window stretched between its minimum and
        maximum, as micro-sam was trained, or its 2nd and 98th percentile, as micro-sam 2.
    """

    refinement: Refinement = field(default_factory=Refinement)
    zoom: Zoom | None = field(default_factory=Zoom)
    limit_side: int | None = option(None, limits=(32, 10**6), label="limit of the longest side")
    flip: bool = False
    mask_threshold: float = option(0.5, limits=(0, 1), label="mask threshold")
    reduced_reads: bool = False
    precision: Precision = "float32"
    masks: MaskChoice = "single"
    padding: Padding = "none"
    resampling: Resampling = "corners"
    contrast: Contrast = "shown"

    @classmethod
    def paper(cls, model: WindowHints | None = None) -> Settings:
        """The public evaluation's window and flip, with the paper's meaning of CFR and A-CFR.

        Parameters
        ----------
        model : model, optional
            A plain ViT gets its fixed square window; others the 400-pixel one after a first click
            on the whole image.
        """
        if model is not None and model.fixed_square:
            zoom = Zoom(target=(model.input_size, model.input_size), skip_clicks=-1)
        else:
            zoom = Zoom(target=400, skip_clicks=1)
        return cls(zoom=zoom, flip=True, mask_threshold=0.49, masks=_masks(model))

    @classmethod
    def public_code(cls, model: WindowHints | None = None) -> Settings:
        """As `paper`; but where the published program departs from the paper, as the program."""
        refinement = Refinement(inclusive=True, first_clicks=1, rezoom=True)
        return replace(cls.paper(model), refinement=refinement)

    @classmethod
    def interactive(cls, model: WindowHints | None = None) -> Settings:
        """For a person at a screen: quick, aspect kept, small objects magnified.

        Parameters
        ----------
        model : model, optional
            Sets the size of the network's input; 400 pixels without. One that offers several masks,
            as SAM's own do, is not refined: measured, that makes its first mask worse.
        """
        zoom = Zoom(
            target=400 if model is None else model.input_size,
            growth=2.0,
            min_side=128,
            first_side=512 if model is None else model.first_side,
            follow_mask=True,
            max_side=4096,
            shift=True,
        )
        masks = _masks(model)
        refinement = Refinement(
            steps=1 if masks == "single" else 0,
            adaptive=True,
            threshold_fraction=0.002,
            first_clicks=1,
            rezoom=True,
            guard=True,
        )
        return cls(
            refinement=refinement,
            zoom=zoom,
            reduced_reads=True,
            precision="fast",
            masks=masks,
        )

    @classmethod
    def whole_image(cls, model: WindowHints | None = None) -> Settings:
        """The whole image in every pass, fitted to the network as SAM and SAM 2 do it.

        Parameters
        ----------
        model : model, optional
            Says how it was published; an image is padded to a square of 1024 pixels without.
        """
        side = 1024 if model is None else model.input_size
        kind = None if model is None else model.published_input
        stretched = kind == "stretched"
        return cls(
            zoom=Zoom(target=(side, side) if stretched else side, min_side=_ENDLESS),
            masks=_masks(model),
            padding="none" if stretched else "black" if kind == "padded-black" else "mean",
            resampling="antialiased" if stretched else "antialiased-8bit",
            contrast="shown" if model is None else model.published_contrast,
        )

    @classmethod
    def preset(cls, name: str, model: WindowHints | None = None) -> Settings:
        """The preset called `name`, one of `PRESETS`.

        Raises
        ------
        SettingsError
            When there is no such preset.
        """
        if name not in PRESETS:
            raise SettingsError(f"There is no preset {name!r}; choose one of {', '.join(PRESETS)}.")
        chosen: Settings = getattr(cls, name.replace("-", "_"))(model)
        return chosen

    def with_inference(self, scheme: str) -> Settings:
        """The same settings under another scheme: "std", "cfr-N" or "a-cfr-N".

        Raises
        ------
        SettingsError
            When the scheme is none of these.
        """
        match = re.fullmatch(r"std|(a-)?cfr-(\d{1,3})", scheme)
        if match is None:
            raise SettingsError(
                f"{scheme!r} is no inference scheme; write std, cfr-N or a-cfr-N, such as cfr-1."
            )
        steps, adaptive = int(match[2] or 0), match[1] is not None
        return replace(self, refinement=replace(self.refinement, steps=steps, adaptive=adaptive))


def _masks(model: WindowHints | None) -> MaskChoice:
    return "single" if model is None else model.published_masks


@dataclass(frozen=True, slots=True)
class RefinedPreset(Options):
    """A preset with another inner loop; as a file it fits any model.

    Parameters
    ----------
    base : str
        One of `PRESETS`.
    refinement : Refinement
        The inner loop.
    """

    base: str
    refinement: Refinement = field(default_factory=Refinement)

    def settings(self, model: WindowHints | None = None) -> Settings:
        """All settings, for a model.

        Raises
        ------
        SettingsError
            When there is no such base.
        """
        return replace(Settings.preset(self.base, model), refinement=self.refinement)
