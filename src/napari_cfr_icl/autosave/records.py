"""Provenance of an object, as frozen values that can be written down and replayed."""

from __future__ import annotations

from dataclasses import asdict, astuple, dataclass
from typing import Annotated, Any, Literal

import numpy as np

from napari_cfr_icl._options import read
from napari_cfr_icl.autosave.plain_data import Serializable, WrittenAs
from napari_cfr_icl.autosave.serialization import pack_bits, unpack_bits
from napari_cfr_icl.engine.clicks import Click, Clicks
from napari_cfr_icl.engine.prompts.gestures import Box
from napari_cfr_icl.engine.prompts.rough_mask import BoxMask, RoughMask
from napari_cfr_icl.engine.settings import Settings
from napari_cfr_icl.engine.windows import Patch, Window

NOTHING: Literal["nothing"] = "nothing"
"""Fed back besides an earlier answer: no mask."""

BASE: Literal["base"] = "base"
"""Fed back besides an earlier answer: the mask that the object began with."""


def _clicks_to(clicks: Clicks) -> list[list[Any]]:
    """Clicks as plain data: row, column, sign."""
    return [[click.row, click.col, click.positive] for click in clicks]


def _clicks_from(data: list[list[Any]]) -> Clicks:
    return Clicks(Click(float(row), float(col), bool(sign)) for row, col, sign in data)


def _mask_to(mask: Patch | None) -> dict[str, Any] | None:
    """A mask as plain data; of probabilities, those above one half and their greatest."""
    if mask is None:
        return None
    bits = pack_bits(mask.values > 0.5)
    data: dict[str, Any] = {
        "window": asdict(mask.window),
        "image_shape": list(mask.image_shape),
        "bits": bits,
    }
    strength = float(mask.values.max(initial=0))
    if 0.5 < strength < 1:
        data["strength"] = strength
    if isinstance(mask, RoughMask):
        data["clicks"] = _clicks_to(mask.clicks)
    if isinstance(mask, BoxMask):
        data["box"] = list(astuple(mask.box))
    return data


def _mask_from(data: dict[str, Any] | None) -> Patch | None:
    if data is None:
        return None
    window = Window(**data["window"])
    rows, cols = data["image_shape"]
    bits = unpack_bits(data["bits"], window.shape)
    values = bits * np.float32(data["strength"]) if "strength" in data else bits
    shape = int(rows), int(cols)
    if "clicks" not in data:
        return Patch(values, window, shape)
    clicks = _clicks_from(data["clicks"])
    if "box" not in data:
        return RoughMask(values, window, shape, clicks)
    return BoxMask(values, window, shape, clicks, Box(*map(float, data["box"])))


def is_written_whole(mask: Patch) -> bool:
    """True for a mask that `MaskField` gives back as it was: of one probability, or binary."""
    values = mask.values
    return values.dtype == bool or bool(
        ((values == 0) | ((values == values.max()) & (values > 0.5))).all()
    )


def _settings_to(settings: Settings | None) -> dict[str, Any] | None:
    return None if settings is None else asdict(settings)


def _settings_from(data: dict[str, Any] | None) -> Settings | None:
    return None if data is None else read(Settings, data)


ClicksField = Annotated[Clicks, WrittenAs(_clicks_to, _clicks_from)]
MaskField = Annotated[Patch | None, WrittenAs(_mask_to, _mask_from)]
SettingsField = Annotated[Settings | None, WrittenAs(_settings_to, _settings_from)]


@dataclass(frozen=True, slots=True)
class EngineRecord(Serializable):
    """The network, and everything that decides its answers.

    Parameters
    ----------
    model : str
        Name in the catalogue, or path of a file.
    sha256 : str
        Checksum of its file.
    device : str
        Device that it ran on, such as "cpu".
    arithmetic : str
        Number format that it computed in, such as "bfloat16".
    settings : Settings or None
        Settings of the predictor; None where they are not known.
    """

    model: str
    sha256: str = ""
    device: str = ""
    arithmetic: str = ""
    settings: SettingsField = None


@dataclass(frozen=True, slots=True)
class PictureRecord(Serializable):
    """The plane of the image that was clicked on, and its rendering.

    Parameters
    ----------
    axes : tuple of int
        Row axis and column axis of the image's data.
    channel_axis : int or None
        Its axis of channels.
    position : tuple of int
        One index for every axis: the position of the others.
    channels : tuple of (int, (float, float, float), float, float, float)
        Index, colour, lower and upper contrast limit and gamma of every channel.
    """

    axes: tuple[int, int]
    channel_axis: int | None
    position: tuple[int, ...]
    channels: tuple[tuple[int, tuple[float, float, float], float, float, float], ...]


@dataclass(frozen=True, slots=True)
class AnswerRecord(Serializable):
    """One answer of the network that went into an object.

    Parameters
    ----------
    clicks : Clicks
        All the clicks that it answers.
    fed : int or str
        The mask fed back: the number of an earlier answer of the object, `BASE` or `NOTHING`.
    view : Window or None
        The part of the plane that was on the screen.
    passes : int
        Number of passes of the inner loop when the answer was used.
    engine, picture : int
        Numbers of the network and of the plane in the event log's own lists.
    """

    clicks: ClicksField
    fed: int | Literal["nothing", "base"]
    view: Window | None
    passes: int
    engine: int
    picture: int


@dataclass(frozen=True, slots=True, eq=False)
class ObjectRecord(Serializable):
    """An object that was clicked.

    Parameters
    ----------
    axes : tuple of int
        Row axis and column axis of the image that it lies on.
    index : tuple of int
        Position along the other axes.
    clicks : Clicks
        Its clicks.
    label : int or None
        Its id; None while it has none.
    threshold : float
        Probability above which a pixel belongs to it.
    protect : bool
        True when writing it left the pixels of others alone.
    base : Patch or None
        The mask that it began with: bool, or float32 of one probability, that of a gesture,
        with its box.
    answers : tuple of AnswerRecord
        The answers that led to its mask, oldest first; empty where they are not known.
    labels : int or None
        Number of the label image that it came from and returns to; None for a new object, and in
        older files.
    written : Patch of bool or None
        The pixels that it has in the labels, where they are not those of `base`.
    view : Window or None
        The part of the plane that was on the screen, or that a gesture set.
    others : tuple of ObjectRecord
        Objects on the same plane that are to be written with it.
    """

    axes: tuple[int, int]
    index: tuple[int, ...]
    clicks: ClicksField
    label: int | None = None
    threshold: float = 0.5
    protect: bool = True
    base: MaskField = None
    answers: tuple[AnswerRecord, ...] = ()
    labels: int | None = None
    written: MaskField = None
    view: Window | None = None
    others: tuple[ObjectRecord, ...] = ()
