"""One object segmented for `segment`, click by click, and written to files."""

from __future__ import annotations

import json
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cfr_icl import __version__
from napari_cfr_icl._files import atomic_path, explained_write_failures
from napari_cfr_icl.cli.image_source import open_mask, open_source
from napari_cfr_icl.engine.clicks import Clicks
from napari_cfr_icl.engine.prediction import as_feedback
from napari_cfr_icl.engine.predictor import Predictor
from napari_cfr_icl.engine.prompts.prompt import prompt_of
from napari_cfr_icl.exports.label_image import LabelImage
from napari_cfr_icl.exports.tiff import write_tiff
from napari_cfr_icl.images.opening import open_image
from napari_cfr_icl.zoo.file_kinds import file_sha256
from napari_cfr_icl.zoo.loading import load_file, locate
from napari_cfr_icl.zoo.store import ModelStore

if TYPE_CHECKING:
    from napari_cfr_icl.cli.segment_options import SegmentOptions
    from napari_cfr_icl.engine.clicks import Click
    from napari_cfr_icl.engine.prediction import Prediction
    from napari_cfr_icl.engine.predictor import Previous
    from napari_cfr_icl.engine.prompts.prompt import Prompt
    from napari_cfr_icl.engine.refine import StepTrace
    from napari_cfr_icl.engine.source import ImageSource
    from napari_cfr_icl.engine.windows import Patch
    from napari_cfr_icl.images.pixel_sizes import Sizes


def run(options: SegmentOptions) -> str:
    """Segment one object, and write the mask and the trace.

    Returns
    -------
    str
        One line for the user.

    Raises
    ------
    CfrIclError
        When something that was given cannot be used, or nothing can be written.
    """
    image = open_source(options.image, options.picture.axes, options.plane, options.picture.series)
    previous = None
    if options.previous is not None:
        previous = as_feedback(open_mask(options.previous, options.plane), image.shape)
    model_path = locate(options.model, ModelStore())
    model = load_file(model_path)
    predictor = Predictor(model, options.settings(model), options.device)
    gesture = options.gesture
    begin = None if gesture is None else prompt_of(gesture, image.shape)
    predictions = click_by_click(predictor, image, options.clicks, previous, begin)
    mask = predictions[-1].mask()
    trace = describe(options, model_path, predictor, predictions)
    sizes = open_image(options.image, options.picture.series).sizes
    write_results(options.out, mask, options.trace, trace, sizes)
    passes = sum(prediction.passes for prediction in predictions)
    seconds = sum(step.seconds for prediction in predictions for step in prediction.trace)
    drawn = "" if gesture is None else f"a {type(gesture).__name__.lower()}, "
    return (
        f"{options.out}: {counted(int(mask.values.sum()), 'pixel')}, from {drawn}"
        f"{counted(len(options.clicks), 'click')} and {counted(passes, 'pass')} in "
        f"{1000 * seconds:.0f} ms."
    )


def write_results(
    out: Path,
    mask: Patch,
    trace_path: Path | None,
    trace: dict[str, Any],
    sizes: Sizes | None = None,
) -> None:
    """Write the mask as a label image of 0 and 1, and the trace if it is wanted.

    Parameters
    ----------
    out : Path
        The mask's file; replaced if it exists.
    mask : Patch
        bool.
    trace_path : Path or None
        The trace's file.
    trace : dict
        Plain data.
    sizes : dict, optional
        Size and unit of a pixel, which the mask's file tells as well.

    Raises
    ------
    OutputError
        When one of them cannot be written; files that were there before stay as they were.
    """
    with ExitStack() as stack:
        stack.enter_context(explained_write_failures(out.parent))
        mask_part = stack.enter_context(atomic_path(out))
        pixels = mask.full().astype(np.uint8)
        write_tiff(mask_part, LabelImage.sized(pixels, "image", "YX", sizes or {}), out.name)
        if trace_path is not None:
            stack.enter_context(explained_write_failures(trace_path.parent))
            trace_part = stack.enter_context(atomic_path(trace_path))
            trace_part.write_text(json.dumps(trace, indent=2) + "\n", encoding="utf-8")


def counted(number: int, thing: str) -> str:
    """A number of things in words: 1 click, 2 clicks, 2 passes."""
    ending = "" if number == 1 else "es" if thing.endswith("s") else "s"
    return f"{number} {thing}{ending}"


def click_by_click(
    predictor: Predictor,
    image: ImageSource,
    clicks: Clicks,
    previous: Previous,
    begin: Prompt | None = None,
) -> list[Prediction]:
    """The prediction after `begin` and each click; without any, that of the previous mask."""
    predictions: list[Prediction] = []
    if begin is not None:
        given = previous if begin.previous is None else begin.previous
        predictions.append(predictor.predict(image, begin.clicks, given, begin.view))
    elif not clicks:
        return [predictor.predict(image, clicks, previous)]
    made = Clicks() if begin is None else begin.clicks
    for click in clicks:
        made = made.added(click)
        previous = predictions[-1] if predictions else previous
        predictions.append(predictor.predict(image, made, previous))
    return predictions


def describe(
    options: SegmentOptions, model_path: Path, predictor: Predictor, predictions: list[Prediction]
) -> dict[str, Any]:
    """A record of the run as plain data: enough to repeat it, and to see every pass."""
    gesture = options.gesture
    first = [None] if gesture is not None or not options.clicks else []
    return {
        "program": f"napari-cfr-icl {__version__}",
        "image": str(options.image),
        "plane": options.plane,
        "axes": options.picture.axes,
        "series": options.picture.series,
        "shape": predictions[-1].probabilities.image_shape,
        "gesture": None
        if gesture is None
        else {"kind": type(gesture).__name__.lower(), **asdict(gesture)},
        "previous": None if options.previous is None else str(options.previous),
        "model": {
            "name": options.model,
            "file": model_path.name,
            "sha256": file_sha256(model_path),
        },
        "preset": options.preset,
        "inference": predictor.settings.refinement.name,
        "settings": asdict(predictor.settings),
        "device": str(predictor.network.device),
        "arithmetic": predictor.network.arithmetic,
        "clicks": [
            _describe_click(click, prediction)
            for click, prediction in zip([*first, *options.clicks], predictions, strict=True)
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
