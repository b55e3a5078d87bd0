"""Pictures of a run: curves, and samples as the network sees them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from matplotlib.figure import Figure
from PIL import Image, ImageDraw
from scipy import ndimage

from napari_cfr_icl.training.runs.run_folder import read_events

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray
    from torch import Tensor

    from napari_cfr_icl.training.data.batches import Inputs
    from napari_cfr_icl.training.runs.run_folder import Event, RunFolder
    from napari_cfr_icl.training.runs.setup import Run

TRUTH, PREDICTED = (0, 220, 120), (255, 170, 0)
POSITIVE, NEGATIVE = (60, 255, 60), (255, 60, 60)
_SAMPLES = 6
_CLICK_RADIUS = 4


def draw_curves(folder: RunFolder) -> None:
    """Draw the loss and the held-out clicks so far as `curves.png`."""
    events = list(read_events(folder.path))
    figure = Figure(figsize=(10, 4), layout="constrained")
    loss, clicks = figure.subplots(1, 2)
    _draw_loss(loss, [event for event in events if event["event"] == "step"])
    _draw_clicks(clicks, [event for event in events if event["event"] == "held_out"])
    figure.savefig(folder.path / "curves.png", dpi=100)


def _draw_loss(axes: Axes, steps: list[Event]) -> None:
    axes.set(xlabel="step", ylabel="loss of the last pass")
    if not steps:
        return
    numbers = [event["step"] for event in steps]
    losses = np.array([event["losses"][-1] for event in steps], np.float64)
    axes.plot(numbers, losses, alpha=0.3)
    axes.plot(numbers, ndimage.uniform_filter1d(losses, max(1, len(losses) // 20), mode="nearest"))


def _draw_clicks(axes: Axes, rounds: list[Event]) -> None:
    axes.set(xlabel="step", ylabel="clicks on held-out objects")
    for name, label in (("noc80", "IoU 80 %"), ("noc85", "IoU 85 %"), ("noc90", "IoU 90 %")):
        axes.plot([r["step"] for r in rounds], [r[name] for r in rounds], marker=".", label=label)
    if rounds:
        axes.legend()
        axes.set_ylim(bottom=0)


def draw_samples(run: Run) -> None:
    """Draw some samples of the present step with the truth, the clicks and what the network says.

    Green outlines are the truth, orange ones the network's answer to the starting clicks.
    """
    count = min(_SAMPLES, run.options.schedule.batch)
    inputs = run.stepper.batches.inputs(run.state.step, range(count))
    with torch.no_grad():
        logits = run.state.model(inputs.images, torch.zeros_like(inputs.target), inputs.points)
    tiles = [_tile(inputs, logits, index) for index in range(count)]
    place = run.folder.path / "samples"
    place.mkdir(exist_ok=True)
    Image.fromarray(np.concatenate(tiles, axis=1)).save(place / f"step-{run.state.step:07d}.png")


def _tile(inputs: Inputs, logits: Tensor, index: int) -> NDArray[np.uint8]:
    picture = (inputs.images[index].permute(1, 2, 0) * 255).byte().cpu().numpy()
    picture = outlined(picture, (inputs.target[index, 0] > 0.5).cpu().numpy(), TRUTH)
    picture = outlined(picture, (logits[index, 0] > 0).cpu().numpy(), PREDICTED)
    points = inputs.points[index].cpu().numpy()
    half = len(points) // 2
    clicks = [
        (row, col, slot < half) for slot, (row, col, order) in enumerate(points) if order >= 0
    ]
    return with_clicks(picture, clicks)


def outlined(
    picture: NDArray[np.uint8], mask: NDArray[np.bool_], colour: tuple[int, int, int]
) -> NDArray[np.uint8]:
    """The picture (rows, columns, 3) with the inner outline of a mask drawn on it."""
    drawn = picture.copy()
    drawn[mask & ~ndimage.binary_erosion(mask)] = colour
    return drawn


def with_clicks(
    picture: NDArray[np.uint8], clicks: list[tuple[Any, Any, bool]]
) -> NDArray[np.uint8]:
    """The picture with (row, column, positive) clicks as dots."""
    image = Image.fromarray(picture)
    draw = ImageDraw.Draw(image)
    for row, col, positive in clicks:
        box = [col - _CLICK_RADIUS, row - _CLICK_RADIUS, col + _CLICK_RADIUS, row + _CLICK_RADIUS]
        draw.ellipse(box, fill=POSITIVE if positive else NEGATIVE, outline=(0, 0, 0))
    return np.asarray(image)
