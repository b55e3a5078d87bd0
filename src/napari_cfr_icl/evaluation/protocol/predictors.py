"""The predictors of a run: one for each method."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import TYPE_CHECKING

from napari_cfr_icl.engine.predictor import Predictor
from napari_cfr_icl.evaluation.protocol.records import Method
from napari_cfr_icl.evaluation.protocol.settings_file import settings_for

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_cfr_icl.engine.models import ClickModel
    from napari_cfr_icl.engine.runtime.arithmetic import Run
    from napari_cfr_icl.engine.settings import Settings
    from napari_cfr_icl.evaluation.protocol.options import EvaluateOptions


_PUBLISHED_PRESETS = ("paper", "public-code")


def methods_of(options: EvaluateOptions, model: str | None = None) -> list[Method]:
    """The methods of a run, or of one of its models, in the order of its tables."""
    return [
        Method(name, preset, scheme)
        for name in options.models
        if model is None or name == model
        for preset in options.presets
        for scheme in options.schemes
    ]


def predictors_for(
    model: str, network: ClickModel, options: EvaluateOptions, device: str
) -> dict[Method, Predictor]:
    """A predictor for each method of one model, all on the same network.

    Raises
    ------
    CfrIclError
        When a preset or the device cannot be had.
    """
    predictors: dict[Method, Predictor] = {}
    made: dict[str, Predictor] = {}
    for method in methods_of(options, model):
        settings = settings_of(method, network, options)
        if settings.masks not in made:
            made[settings.masks] = Predictor(network, settings, device)
        predictors[method] = with_settings(made[settings.masks], settings)
    return predictors


def settings_of(method: Method, network: ClickModel, options: EvaluateOptions) -> Settings:
    """The settings of a method, in the arithmetic of the run."""
    settings = settings_for(method.preset, method.scheme, network)
    return replace(settings, precision=options.precision)


def with_settings(predictor: Predictor, settings: Settings) -> Predictor:
    """The same network, converted once, under other settings of the same precision and masks."""
    other = copy.copy(predictor)
    other.settings = settings
    return other


def through(predictor: Predictor, gathered: Callable[[Run], Run]) -> Predictor:
    """The same predictor with its passes run through `gathered`."""
    other = copy.copy(predictor)
    other.network = predictor.network.with_run(gathered)
    return other


def for_set(predictor: Predictor, method: Method, window_scale: float) -> Predictor:
    """The predictor of a method for one data set: published numbers differ in their window."""
    zoom = predictor.settings.zoom
    if window_scale == 1 or zoom is None or method.preset not in _PUBLISHED_PRESETS:
        return predictor
    if isinstance(zoom.target, int):
        target: int | tuple[int, int] = round(zoom.target * window_scale)
    else:
        target = round(zoom.target[0] * window_scale), round(zoom.target[1] * window_scale)
    return with_settings(predictor, replace(predictor.settings, zoom=replace(zoom, target=target)))
