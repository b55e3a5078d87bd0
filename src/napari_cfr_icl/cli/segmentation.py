"""What `segment` does: the clicks one after the other, each going on from the mask before."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_cfr_icl import __version__
from napari_cfr_icl.cli.image_source import open_mask, open_source
from napari_cfr_icl.cli.results import write_results
from napari_cfr_icl.engine.prediction import as_feedback
from napari_cfr_icl.engine.predictor import Predictor
from napari_cfr_icl.zoo.file_kinds import file_sha256
from napari_cfr_icl.zoo.loading import load_file, locate
from napari_cfr_icl.zoo.store import ModelStore

if TYPE_CHECKING:
    from napari_cfr_icl.cli.request import SegmentRequest
    from napari_cfr_icl.engine.clicks import Click, Clicks
    from napari_cfr_icl.engine.prediction import Prediction
    from napari_cfr_icl.engine.predictor import Previous
    from napari_cfr_icl.engine.refine import StepTrace
    from napari_cfr_icl.engine.source import ImageSource


def run(request: SegmentRequest) -> str:
    """Segment one object, and write what was asked for.

    Returns
    -------
    str
        One line to tell the user.

    Raises
    ------
    CfrIclError
        When something that was given cannot be used, or nothing can be written.
    """
    image = open_source(request.image, request.axes, request.plane)
    previous = None
    if request.previous is not None:
        previous = as_feedback(open_mask(request.previous, request.plane), image.shape)
    model_path = locate(request.model, ModelStore())
    model = load_file(model_path)
    predictor = Predictor(model, request.settings(model), request.device)
    predictions = click_by_click(predictor, image, request.clicks, previous)
    mask = predictions[-1].mask()
    trace = describe(request, model_path, predictor, predictions)
    write_results(request.out, mask, request.trace, trace)
    passes = sum(prediction.passes for prediction in predictions)
    seconds = sum(step.seconds for prediction in predictions for step in prediction.trace)
    return (
        f"{request.out}: {counted(int(mask.values.sum()), 'pixel')}, from "
        f"{counted(len(request.clicks), 'click')} and {counted(passes, 'pass')} in "
        f"{1000 * seconds:.0f} ms."
    )


def counted(number: int, thing: str) -> str:
    """A number of things in words: 1 click, 2 clicks, 2 passes."""
    ending = "" if number == 1 else "es" if thing.endswith("s") else "s"
    return f"{number} {thing}{ending}"


def click_by_click(
    predictor: Predictor, image: ImageSource, clicks: Clicks, previous: Previous
) -> list[Prediction]:
    """The prediction after each click; without any, the one that the previous mask gives."""
    predictions: list[Prediction] = []
    for count in range(1, len(clicks) + 1) if clicks else [0]:
        previous = predictor.predict(image, clicks[:count], previous)
        predictions.append(previous)
    return predictions


def describe(
    request: SegmentRequest, model_path: Path, predictor: Predictor, predictions: list[Prediction]
) -> dict[str, Any]:
    """What was done, as plain data: enough to do it again, and to see what every pass did."""
    clicks = request.clicks or [None]
    return {
        "program": f"napari-cfr-icl {__version__}",
        "image": str(request.image),
        "plane": request.plane,
        "axes": request.axes,
        "shape": predictions[-1].probabilities.image_shape,
        "previous": None if request.previous is None else str(request.previous),
        "model": {
            "name": request.model,
            "file": model_path.name,
            "sha256": file_sha256(model_path),
        },
        "preset": request.preset,
        "inference": predictor.settings.refinement.name,
        "settings": asdict(predictor.settings),
        "device": str(predictor.network.device),
        "arithmetic": predictor.network.arithmetic,
        "clicks": [
            _describe_click(click, prediction)
            for click, prediction in zip(clicks, predictions, strict=True)
        ],
    }


def _describe_click(click: Click | None, prediction: Prediction) -> dict[str, Any]:
    return {
        "click": None if click is None else asdict(click),
        "stopped": prediction.stopped,
        "object_pixels": int(prediction.mask().values.sum()),
        "passes": [_describe_pass(step) for step in prediction.trace],
    }


def _describe_pass(step: StepTrace) -> dict[str, Any]:
    return {
        "changed_pixels": step.changed_pixels,
        "threshold_pixels": step.threshold_pixels,
        "window": asdict(step.window),
        "ms": round(1000 * step.seconds, 1),
    }
