"""Predictors for the choices of the menus, made in the one thread that runs torch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, cast

from napari_cfr_icl.autosave.records import EngineRecord
from napari_cfr_icl.engine.runtime.torch_libraries import load_torch_libraries
from napari_cfr_icl.engine.settings import PRESETS, Refinement, Settings
from napari_cfr_icl.session.preferences import Preferences
from napari_cfr_icl.session.presets import load_presets
from napari_cfr_icl.session.protocols import PredictorLike
from napari_cfr_icl.session.runner import Message
from napari_cfr_icl.session.search import FinderLike
from napari_cfr_icl.zoo.catalog import DEFAULT_MODEL
from napari_cfr_icl.zoo.file_kinds import file_sha256
from napari_cfr_icl.zoo.store import ModelStore


@dataclass(frozen=True, slots=True)
class EngineChoice:
    """The choices that decide a predictor.

    Parameters
    ----------
    model : str
        Name in the catalogue, or the path of a file.
    device : str
        "auto", "cpu", "cuda" or "mps".
    preset : str
        Name of a settings preset.
    inference : str
        "std", "cfr-N" or "a-cfr-N"; empty for the preset's own.
    every_click : bool
        Refine every click instead of the preset's choice of clicks.
    refinement : Refinement or None
        Another inner loop than the preset's: that of a preset which the user named.
    """

    model: str
    device: str
    preset: str
    inference: str
    every_click: bool
    refinement: Refinement | None = None

    @classmethod
    def of(cls, preferences: Preferences) -> EngineChoice:
        """The part of the user's choices that affects the predictor."""
        # The folder of named presets is read only for the name of one.
        bundled = preferences.preset in PRESETS
        named = None if bundled else load_presets().get(preferences.preset)
        return cls(
            preferences.model,
            preferences.device,
            preferences.preset if named is None else named.base,
            preferences.inference,
            preferences.every_click,
            None if named is None else named.refinement,
        )

    def settings_for(self, model: Any) -> Settings:
        """The engine's settings for a network."""
        settings = Settings.preset(self.preset, model)
        if self.refinement is not None:
            settings = replace(settings, refinement=self.refinement)
        if self.inference:
            settings = settings.with_inference(self.inference)
        if self.every_click:
            refinement = replace(settings.refinement, first_clicks=None)
            if not self.inference:  # a preset without refinement would leave nothing to do
                refinement = replace(refinement, steps=max(1, refinement.steps))
            settings = replace(settings, refinement=refinement)
        return settings


@dataclass(frozen=True, slots=True, eq=False)
class Tried(Message):
    """The predictor of a choice was made, or failed; delivered even if nobody waits for it."""

    choice: EngineChoice
    error: Exception | None = None
    contrast: tuple[str, str] | None = None
    """As the network sees it, and as it was trained; see `Settings.contrast`."""


def reporting(
    make: Callable[[EngineChoice], PredictorLike], deliver: Callable[[Message], None]
) -> Callable[[Any], PredictorLike]:
    """`make` that also delivers a `Tried`, numbered 0 because it belongs to no request."""

    def make_and_report(choice: EngineChoice) -> PredictorLike:
        try:
            predictor = make(choice)
        except Exception as error:
            deliver(Tried(0, choice, error))
            raise
        deliver(Tried(0, choice, contrast=_contrast_of(predictor)))
        return predictor

    return make_and_report


def _contrast_of(predictor: Any) -> tuple[str, str] | None:
    network = getattr(predictor, "network", None)
    if network is None:
        return None
    return predictor.settings.contrast, network.published_contrast


class PredictorMaker:
    """Makes predictors; a network is loaded and converted only when it changes.

    Attributes
    ----------
    record : EngineRecord or None
        The newest predictor, with the checksum of its weights.
    """

    def __init__(self) -> None:
        self.record: EngineRecord | None = None
        self._checksum = ""
        self._made_of: tuple[str, str, str, str] | None = None
        self._model: Any = None
        self._predictor: Any = None
        self._finder: Any = None
        self._finder_of: tuple[Any, str] = (None, "")

    def __call__(self, choice: Any) -> PredictorLike:
        """The predictor for an `EngineChoice`. The first call imports torch."""
        load_torch_libraries()
        from napari_cfr_icl.engine.predictor import Predictor
        from napari_cfr_icl.zoo.loading import load_file, locate

        if self._made_of is None or self._made_of[0] != choice.model:
            self._made_of = self._model = self._predictor = None
            store = ModelStore()
            path = locate(choice.model, store)
            self._model = load_file(path)
            # The checksum of a named model has been compared already.
            self._checksum = store.expected_sha256(choice.model) or file_sha256(path)
        settings = choice.settings_for(self._model)
        made_of = (choice.model, choice.device, settings.precision, settings.masks)
        if made_of == self._made_of:
            # Settings need no other copy of the weights.
            self._predictor.settings = settings
        else:
            # A GPU may fill up while the weights are moved to it: half a model is loaded anew.
            self._made_of = None
            self._predictor = Predictor(self._model, settings, device=choice.device)
            self._made_of = made_of
        network = self._predictor.network
        self.record = EngineRecord(
            choice.model, self._checksum, str(network.device), network.arithmetic, settings
        )
        return cast("PredictorLike", self._predictor)

    def finder(self) -> FinderLike:
        """The finder with the network in use, or with a shipped one that looks at a picture once.

        It is the same as long as the network is, and so keeps what it has seen of an image.
        """
        load_torch_libraries()
        from napari_cfr_icl.engine.finding.finder import ObjectFinder
        from napari_cfr_icl.engine.runtime.network import Network
        from napari_cfr_icl.zoo.loading import load

        device = "auto" if self._made_of is None else self._made_of[1]
        predictor = self._predictor
        if predictor is not None and not predictor.network.caches_image_features:
            predictor = None
        if self._finder is None or self._finder_of != (predictor, device):
            # The default looks at a picture once, which the model in use may not do.
            model = load(DEFAULT_MODEL) if predictor is None else self._model
            network = Network(model, device, "float32") if predictor is None else predictor.network
            self._finder = ObjectFinder(network, model.input_size)
            self._finder_of = predictor, device
        return cast("FinderLike", self._finder)
