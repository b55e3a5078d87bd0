"""Quick arithmetic: the ways to run a network on a device, and a timed trial that picks one.

What a processor is good at is found by trying, not by its name: bfloat16 is several times quicker
than float32 on one machine and slower on the next, and so are packed convolutions beside traced
ones: where oneDNN lacks a kernel for the packed layout and a picture's size, they take three times
as long.
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

from napari_cfr_icl.engine.runtime.batch_norm_folding import folded
from napari_cfr_icl.engine.runtime.int8_linear import with_int8_linears
from napari_cfr_icl.engine.runtime.matrix_attention import use_matrix_attention
from napari_cfr_icl.engine.runtime.packed_convolutions import packed

if TYPE_CHECKING:
    from napari_cfr_icl.engine.models import ClickModel
    from napari_cfr_icl.engine.models.click_model import Features

logger = logging.getLogger(__name__)

Run = Callable[[Tensor, Tensor, Tensor], Tensor]
"""Image (B, 3, H, W), previous mask (B, 1, H, W) and clicks (B, 2N, 3), float32, to logits
(B, 1, H, W), float32; see `ClickModel.forward`."""

AGREEMENT = 0.1
"""Largest difference from float32 logits that a quicker way may make: root mean square over the
standard deviation of the logits. Rounding to bfloat16 makes about 0.01 to 0.03."""

LAYOUT_MARK = "-"
"""Between the arithmetic and the layout in the name of a way."""

TRIAL_SIDE = 256
"""Side in pixels of the picture of the trial."""

TRIAL_RUNS = 2
"""Timed runs per way; the quickest counts."""

WARM_UP_RUNS = 2
"""Runs before: a traced network rewrites itself during the first two."""


class EncoderCache:
    """Runs a network that looks once: what it saw in a picture serves until another one comes.

    Pictures are compared pixel by pixel, which takes a hundredth of a look: a window can stay the
    same while the contrast, and so the picture, does not. One picture, or batch, is remembered, and
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
        self._picture: Tensor | None = None
        self._features: Features = ()

    def __call__(self, image: Tensor, previous: Tensor, points: Tensor) -> Tensor:
        """Logits, as `Run` says."""
        if self._picture is None or not torch.equal(image, self._picture):
            self._features, self._picture = self._encode(image), image
        return self._decode(self._features, previous, points)


def as_it_is(model: ClickModel) -> Run:
    """Run a network without any change."""
    return EncoderCache(model.encode, model.decode) if model.caches_image_features else model


class Accelerated(nn.Module):
    """A network in another arithmetic: takes and gives float32.

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
        logits: Tensor = self.model.forward_maps(self.brought(image), self.brought(maps))
        return logits.float()

    def brought(self, values: Tensor) -> Tensor:
        """An input as the network takes it."""
        return values.to(self.dtype, memory_format=torch.channels_last)


class AcceleratedEncoder(Accelerated):
    """The costly part of a network that looks once: float32 image to features."""

    def forward(self, image: Tensor) -> Features:  # type: ignore[override]
        """See `ClickModel.encode`."""
        return self.model.encode(self.brought(image))


class Autotuner:
    """Runs a network in several ways, and remembers the quickest whose masks agree.

    Parameters
    ----------
    model : ClickModel
        In eval mode, float32, on the device; as it is, it is the first to run.
    device : torch.device
        Where it runs.

    Attributes
    ----------
    name : str
        The way that leads.
    run : callable
        See `Run`.
    """

    def __init__(self, model: ClickModel, device: torch.device) -> None:
        self._model = model
        self._inputs = _trial_inputs(model, device)
        self.name, self.run = "float32", as_it_is(model)
        self._reference = self.run(*self._inputs)
        self._best = _seconds(self.run, self._inputs)
        logger.debug("float32 takes %.0f ms", 1000 * self._best)

    def enter(self, way: str) -> None:
        """Try one way; one that this build of PyTorch lacks on this device is passed over."""
        try:
            run = accelerated(self._model, way)
            difference = _difference(run(*self._inputs), self._reference)
            seconds = _seconds(run, self._inputs)
        except (RuntimeError, AttributeError) as error:
            logger.debug("%s cannot run in %s: %s", type(self._model).__name__, way, error)
            return
        logger.debug("%s takes %.0f ms, differs by %.4f", way, 1000 * seconds, difference)
        if difference <= AGREEMENT and seconds < self._best:
            self.name, self.run, self._best = way, run, seconds


@torch.inference_mode()
def quickest(model: ClickModel, device: torch.device) -> tuple[str, Run]:
    """Find the quickest arithmetic for a network on a device, then the layout that suits it best.

    Parameters
    ----------
    model : ClickModel
        In eval mode, float32, on the device. It is not changed.
    device : torch.device
        Where it runs.

    Returns
    -------
    name : str
        A way, as `accelerated` takes it, or "float32" for the network as it is.
    run : callable
        See `Run`.
    """
    race = Autotuner(model, device)
    for arithmetic in _arithmetics(model, device):
        race.enter(arithmetic)
    arithmetic = race.name
    for layout in _layouts(model):
        race.enter(arithmetic + LAYOUT_MARK + layout)
    return race.name, race.run


def accelerated(model: ClickModel, way: str) -> Run:
    """Make a network run one way, batch norms folded and channels last.

    Parameters
    ----------
    model : ClickModel
        In eval mode, float32. It is not changed.
    way : str
        "float32", "bfloat16", "float16", or "int8", which multiplies the linear layers in 8 bits,
        with a scale for each output and each call, and computes all else in bfloat16. After it may
        come "-traced", which spares Python's share of the time, or "-packed" (see `packed`).
    """
    arithmetic, _, layout = way.partition(LAYOUT_MARK)
    wrapped = _converted(model, arithmetic)
    if layout == "packed":
        for part in model.packable_parts:
            wrapped.model.set_submodule(part, packed(wrapped.model.get_submodule(part)))
    costly: Callable[..., Any] = _traced(wrapped) if layout == "traced" else wrapped
    if model.caches_image_features:
        return EncoderCache(costly, wrapped.model.decode)
    return lambda image, previous, points: costly(image, model.draw_maps(previous, points))


def _converted(model: ClickModel, arithmetic: str) -> Accelerated:
    """A copy in another arithmetic, but for the parts that have to stay in float32."""
    dtype = torch.bfloat16 if arithmetic == "int8" else getattr(torch, arithmetic)
    copy = folded(model) if _has_batch_norms(model) else deepcopy(model)
    if arithmetic == "int8":
        copy = with_int8_linears(copy)
    precise = {part: deepcopy(copy.get_submodule(part)) for part in copy.float32_parts}
    copy = copy.to(dtype).to(memory_format=torch.channels_last)
    if dtype != torch.float32 and next(model.parameters()).device.type == "cpu":
        use_matrix_attention(copy)
    if precise:
        dtype = torch.float32
        copy.image_mean, copy.image_std = model.image_mean, model.image_std
        for name, part in precise.items():
            copy.set_submodule(name, part.to(memory_format=torch.channels_last))
    return (AcceleratedEncoder if model.caches_image_features else Accelerated)(copy, dtype).eval()


def _traced(module: Accelerated) -> Callable[..., Any]:
    parameter = next(module.parameters())
    image = torch.zeros(1, 3, TRIAL_SIDE, TRIAL_SIDE, device=parameter.device)
    maps = image if module.model.with_previous else image[:, :2]
    inputs = (image,) if module.model.caches_image_features else (image, maps)
    with warnings.catch_warnings():
        # PyTorch means to replace tracing one day; what replaces it needs a C++ compiler.
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
        # Python's share of the time is nothing in a large network.
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
    # Another one each time, or a network that looks once would be timed without its look.
    pictures = itertools.cycle((image.flip(3), image))
    for _ in range(WARM_UP_RUNS):
        run(next(pictures), *clicked)
    seconds = []
    for _ in range(TRIAL_RUNS):
        start = time.perf_counter()
        # Reading one value back waits for a GPU to finish.
        run(next(pictures), *clicked)[0, 0, 0, 0].item()
        seconds.append(time.perf_counter() - start)
    return min(seconds)
