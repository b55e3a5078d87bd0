"""Variants of a network by arithmetic and layout, and a timed trial that picks the fastest.

The trial is needed because a processor's name does not tell: bfloat16 is several times faster than
float32 on one machine and slower on the next. Packed convolutions beat traced ones, or, where
oneDNN lacks a kernel for the packed layout at an image's size, take three times as long.
"""

from __future__ import annotations

import itertools
import logging
import time
import warnings
from collections.abc import Callable
from copy import deepcopy
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from napari_cfr_icl.engine.runtime.batch_norm_folding import fold_batch_norms
from napari_cfr_icl.engine.runtime.int8_linear import quantize_linears
from napari_cfr_icl.engine.runtime.matrix_attention import use_matrix_attention
from napari_cfr_icl.engine.runtime.packed_convolutions import pack

if TYPE_CHECKING:
    from napari_cfr_icl.engine.models import ClickModel
    from napari_cfr_icl.engine.models.click_model import Features

logger = logging.getLogger(__name__)

Run = Callable[[Tensor, Tensor, Tensor], Tensor]
"""Image (B, 3, H, W), previous mask (B, 1, H, W) and clicks (B, 2N, 3), float32, to logits
(B, 1, H, W), float32; see `ClickModel.forward`."""

MAX_DIFFERENCE = 0.1
"""Largest accepted difference from the float32 logits: root mean square over the standard deviation
of the logits. Rounding to bfloat16 makes about 0.01 to 0.03."""

SEPARATOR = "-"
"""Between the arithmetic and the layout in the name of a variant."""

TRIAL_SIDE = 256
"""Side in pixels of the image of the trial."""

TRIAL_RUNS = 2
"""Timed runs per variant; the fastest counts."""

WARM_UP_RUNS = 2
"""Untimed runs before: a traced network is optimized during the first two."""


class EncoderCache:
    """Runs a network that caches image features, encoding each image once.

    Images are compared pixel by pixel, which takes a hundredth of the encoding: a window can stay
    the same while the contrast, and so the image, changes. The last image, or batch, is kept, and
    must not be changed afterwards.

    Parameters
    ----------
    encode, decode : callable
        See `ClickModel`.
    """

    def __init__(
        self,
        encode: Callable[[Tensor], Features],
        decode: Callable[[Features, Tensor, Tensor], Tensor],
    ) -> None:
        self._encode, self._decode = encode, decode
        self._image: Tensor | None = None
        self._features: Features = ()

    def __call__(self, image: Tensor, previous: Tensor, points: Tensor) -> Tensor:
        """Logits, as `Run` says."""
        if self._image is None or not torch.equal(image, self._image):
            self._features, self._image = self._encode(image), image
        return self._decode(self._features, previous, points)


def unmodified(model: ClickModel) -> Run:
    """The run of a network as it is."""
    return EncoderCache(model.encode, model.decode) if model.caches_image_features else model


class ConvertedModel(nn.Module):
    """A network in another arithmetic, with inputs and outputs in float32.

    Parameters
    ----------
    model : ClickModel
        Already converted.
    dtype : torch.dtype
        Of the inputs that it takes.
    """

    def __init__(self, model: ClickModel, dtype: torch.dtype) -> None:
        super().__init__()
        self.model = model
        self.dtype = dtype

    def forward(self, image: Tensor, maps: Tensor) -> Tensor:
        """Image and click maps to logits (B, 1, H, W)."""
        logits: Tensor = self.model.forward_maps(self.converted(image), self.converted(maps))
        return logits.float()

    def converted(self, values: Tensor) -> Tensor:
        """An input in the network's dtype and layout."""
        return values.to(self.dtype, memory_format=torch.channels_last)


class ConvertedEncoder(ConvertedModel):
    """The encoder of a network that caches image features: float32 image to features."""

    def forward(self, image: Tensor) -> Features:  # type: ignore[override]
        """See `ClickModel.encode`."""
        return self.model.encode(self.converted(image))


class Autotuner:
    """Times variants of a network and keeps the fastest whose logits agree with float32.

    Parameters
    ----------
    model : ClickModel
        In eval mode, float32, on the device; unmodified, it is the first to run.
    device : torch.device
        Where it runs.

    Attributes
    ----------
    name : str
        The fastest variant so far.
    run : callable
        See `Run`.
    """

    def __init__(self, model: ClickModel, device: torch.device) -> None:
        self._model = model
        self._inputs = _trial_inputs(model, device)
        self.name, self.run = "float32", unmodified(model)
        self._reference = self.run(*self._inputs)
        self._best = _seconds(self.run, self._inputs)
        logger.debug("float32 takes %.0f ms", 1000 * self._best)

    def try_variant(self, variant: str) -> None:
        """Time one variant; those that PyTorch lacks on this device are passed over."""
        try:
            run = make_variant(self._model, variant)
            difference = _difference(run(*self._inputs), self._reference)
            seconds = _seconds(run, self._inputs)
        except (RuntimeError, AttributeError) as error:
            logger.debug("%s cannot run in %s: %s", type(self._model).__name__, variant, error)
            return
        logger.debug("%s takes %.0f ms, differs by %.4f", variant, 1000 * seconds, difference)
        if difference <= MAX_DIFFERENCE and seconds < self._best:
            self.name, self.run, self._best = variant, run, seconds


@torch.inference_mode()
def find_fastest(model: ClickModel, device: torch.device) -> tuple[str, Run]:
    """Find the fastest arithmetic for a network on a device, then the fastest layout for it.

    Parameters
    ----------
    model : ClickModel
        In eval mode, float32, on the device. It is not changed.
    device : torch.device
        Where it runs.

    Returns
    -------
    name : str
        A variant, as `make_variant` takes it, or "float32" for the unmodified network.
    run : callable
        See `Run`.
    """
    tuner = Autotuner(model, device)
    for arithmetic in _arithmetics(model, device):
        tuner.try_variant(arithmetic)
    arithmetic = tuner.name
    for layout in _layouts(model):
        tuner.try_variant(arithmetic + SEPARATOR + layout)
    return tuner.name, tuner.run


def make_variant(model: ClickModel, variant: str) -> Run:
    """Convert a network, with batch norms folded and channels last.

    Parameters
    ----------
    model : ClickModel
        In eval mode, float32. It is not changed.
    variant : str
        "float32", "bfloat16", "float16", or "int8", which computes linear layers in 8 bits, with a
        scale for each output and each call, and all else in bfloat16. Then, optionally, "-traced",
        which removes Python's overhead, or "-packed" (see `pack`).
    """
    arithmetic, _, layout = variant.partition(SEPARATOR)
    wrapped = _converted(model, arithmetic)
    if layout == "packed":
        for part in model.packable_parts:
            wrapped.model.set_submodule(part, pack(wrapped.model.get_submodule(part)))
    run: Callable[..., Any] = _traced(wrapped) if layout == "traced" else wrapped
    if model.caches_image_features:
        return EncoderCache(run, wrapped.model.decode)
    return lambda image, previous, points: run(image, model.draw_maps(previous, points))


def _converted(model: ClickModel, arithmetic: str) -> ConvertedModel:
    """A copy in another arithmetic, except for `ClickModel.float32_parts`."""
    dtype = torch.bfloat16 if arithmetic == "int8" else getattr(torch, arithmetic)
    copy = fold_batch_norms(model) if _has_batch_norms(model) else deepcopy(model)
    if arithmetic == "int8":
        copy = quantize_linears(copy)
    precise = {part: deepcopy(copy.get_submodule(part)) for part in copy.float32_parts}
    copy = copy.to(dtype).to(memory_format=torch.channels_last)
    if dtype != torch.float32 and next(model.parameters()).device.type == "cpu":
        use_matrix_attention(copy)
    if precise:
        dtype = torch.float32
        copy.image_mean, copy.image_std = model.image_mean, model.image_std
        for name, part in precise.items():
            copy.set_submodule(name, part.to(memory_format=torch.channels_last))
    return (ConvertedEncoder if model.caches_image_features else ConvertedModel)(copy, dtype).eval()


def _traced(module: ConvertedModel) -> Callable[..., Any]:
    parameter = next(module.parameters())
    image = torch.zeros(1, 3, TRIAL_SIDE, TRIAL_SIDE, device=parameter.device)
    maps = image if module.model.with_previous else image[:, :2]
    inputs = (image,) if module.model.caches_image_features else (image, maps)
    with warnings.catch_warnings():
        # Tracing is deprecated, but its replacement needs a C++ compiler.
        warnings.simplefilter("ignore")
        traced = torch.jit.trace(module, inputs, check_trace=False)  # type: ignore[no-untyped-call]
        frozen: Callable[..., Any] = torch.jit.freeze(traced)
    return frozen


def _arithmetics(model: ClickModel, device: torch.device) -> list[str]:
    if device.type == "cuda":
        return ["bfloat16", "float16"]
    if device.type == "mps":
        return ["float16"]
    linear = any(isinstance(module, nn.Linear) for module in model.modules())
    return ["bfloat16", *(["int8"] if linear else [])]


def _layouts(model: ClickModel) -> list[str]:
    if not _has_batch_norms(model):
        # Python's overhead is negligible in a large network.
        return []
    on_cpu = next(model.parameters()).device.type == "cpu"
    packable = model.packable_parts and on_cpu and torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    return ["traced", *(["packed"] if packable else [])]


def _has_batch_norms(model: nn.Module) -> bool:
    return any(isinstance(module, nn.BatchNorm2d) for module in model.modules())


def _trial_inputs(model: ClickModel, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """A bright disc on a ramp, clicked in the middle."""
    rows, cols = model.nearest_size(TRIAL_SIDE, TRIAL_SIDE)
    down = torch.linspace(-1, 1, rows)[:, None]
    across = torch.linspace(-1, 1, cols)[None]
    disc = ((down**2 + across**2) < 0.2).float()
    ramp = (down + across) / 8
    picture = torch.stack([0.5 * disc + 0.3 + ramp, 0.6 * disc + 0.2, 0.4 - ramp])
    points = torch.tensor([[[rows / 2, cols / 2, 0.0], [-1.0, -1.0, -1.0]]])
    previous = torch.zeros(1, 1, rows, cols, device=device)
    return picture[None].to(device), previous, points.to(device)


def _difference(logits: Tensor, reference: Tensor) -> float:
    error = (logits - reference).pow(2).mean().sqrt() / reference.std()
    return float(error) if torch.isfinite(error) else float("inf")


def _seconds(run: Run, inputs: tuple[Tensor, Tensor, Tensor]) -> float:
    image, *clicked = inputs
    # Alternating, or a network that caches image features would be timed without its encoder.
    images = itertools.cycle((image.flip(3), image))
    for _ in range(WARM_UP_RUNS):
        run(next(images), *clicked)
    seconds = []
    for _ in range(TRIAL_RUNS):
        start = time.perf_counter()
        # Reading a value waits for a GPU to finish.
        run(next(images), *clicked)[0, 0, 0, 0].item()
        seconds.append(time.perf_counter() - start)
    return min(seconds)
