"""How an object came about, as frozen values that can be written down and done again."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from napari_cfr_icl.autosave.serialization import pack_bits, unpack_bits
from napari_cfr_icl.engine.clicks import Click, Clicks
from napari_cfr_icl.engine.settings import Refinement, Settings, Zoom
from napari_cfr_icl.engine.windows import Patch, Window

if TYPE_CHECKING:
    from collections.abc import Sequence

NOTHING, BASE = "nothing", "base"
"""What was fed back besides an earlier answer: no mask, or the one that the object began with."""


@dataclass(frozen=True, slots=True)
class EngineRecord:
    """The network and everything that decides what it answers.

    Parameters
    ----------
    model : str
        Name in the catalogue, or path of a file.
    sha256 : str
        Checksum of its file.
    device : str
        Where it ran, such as "cpu".
    arithmetic : str
        In what it computed, such as "bfloat16".
    settings : Settings or None
        How it was used; None where nobody knows.
    """

    model: str
    sha256: str = ""
    device: str = ""
    arithmetic: str = ""
    settings: Settings | None = None

    def to_data(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return asdict(self)

    @classmethod
    def from_data(cls, data: dict[str, Any]) -> EngineRecord:
        """What `to_data` gave; raises TypeError, KeyError or SettingsError where it is damaged."""
        return cls(**{**data, "settings": settings_from(data["settings"])})


@dataclass(frozen=True, slots=True)
class PictureRecord:
    """Which plane of the image was clicked on, and how it was drawn.

    Parameters
    ----------
    axes : tuple of int
        Row axis and column axis of the image's data.
    channel_axis : int or None
        Its axis of channels.
    position : tuple of int
        One index for every axis, where the others stand.
    channels : tuple of (int, (float, float, float), float, float, float)
        Index, colour, lower and upper contrast limit and gamma of every channel.
    """

    axes: tuple[int, int]
    channel_axis: int | None
    position: tuple[int, ...]
    channels: tuple[tuple[int, tuple[float, float, float], float, float, float], ...]

    def to_data(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return asdict(self)

    @classmethod
    def from_data(cls, data: dict[str, Any]) -> PictureRecord:
        """What `to_data` gave; raises TypeError, KeyError or ValueError where it is damaged."""
        rows, cols = data["axes"]
        return cls(
            (int(rows), int(cols)),
            data["channel_axis"],
            tuple(int(i) for i in data["position"]),
            tuple(
                (int(i), (float(r), float(g), float(b)), float(low), float(high), float(gamma))
                for i, (r, g, b), low, high, gamma in data["channels"]
            ),
        )


@dataclass(frozen=True, slots=True)
class AnswerRecord:
    """One answer of the network that went into an object.

    Parameters
    ----------
    clicks : Clicks
        All the clicks that it answers.
    fed : int or str
        What was fed back: the number of an earlier answer of the object, `BASE` or `NOTHING`.
    view : Window or None
        What the user was looking at.
    passes : int
        How many passes of the inner loop had been made when the answer was used.
    engine, picture : int
        Numbers of the network and of the plane in the work's own lists.
    """

    clicks: Clicks
    fed: int | str
    view: Window | None
    passes: int
    engine: int
    picture: int

    def to_data(self) -> dict[str, Any]:
        """Plain data for JSON."""
        view = None if self.view is None else asdict(self.view)
        return {
            "clicks": clicks_to(self.clicks),
            "fed": self.fed,
            "view": view,
            "passes": self.passes,
            "engine": self.engine,
            "picture": self.picture,
        }

    @classmethod
    def from_data(cls, data: dict[str, Any]) -> AnswerRecord:
        """What `to_data` gave; raises TypeError, KeyError or ValueError where it is damaged."""
        view = None if data["view"] is None else Window(**data["view"])
        fed = data["fed"] if data["fed"] in (NOTHING, BASE) else int(data["fed"])
        numbers = (int(data[name]) for name in ("passes", "engine", "picture"))
        return cls(clicks_from(data["clicks"]), fed, view, *numbers)


@dataclass(frozen=True, slots=True, eq=False)
class ObjectRecord:
    """An object that was clicked.

    Parameters
    ----------
    axes : tuple of int
        Row axis and column axis of the image that it lies on.
    index : tuple of int
        Where the other axes stand.
    clicks : Clicks
        Its clicks.
    label : int or None
        Its id; None while it has none.
    threshold : float
        Probability above which a pixel belongs to it.
    protect : bool
        Whether writing it left the pixels of others alone.
    base : Patch of bool or None
        The mask that it began with.
    answers : tuple of AnswerRecord
        The answers that led to its mask, oldest first; empty where they are not known.
    labels : int or None
        Number of the label image that it came from and goes back to; None for a new object.
    """

    axes: tuple[int, int]
    index: tuple[int, ...]
    clicks: Clicks
    label: int | None = None
    threshold: float = 0.5
    protect: bool = True
    base: Patch | None = None
    answers: tuple[AnswerRecord, ...] = ()
    labels: int | None = None

    def to_data(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "axes": list(self.axes),
            "index": list(self.index),
            "clicks": clicks_to(self.clicks),
            "label": self.label,
            "threshold": self.threshold,
            "protect": self.protect,
            "base": None if self.base is None else mask_to(self.base),
            "answers": [answer.to_data() for answer in self.answers],
            "labels": self.labels,
        }

    @classmethod
    def from_data(cls, data: dict[str, Any]) -> ObjectRecord:
        """What `to_data` gave; raises TypeError, KeyError or ValueError where it is damaged."""
        rows, cols = data["axes"]
        # Older files do not say it.
        labels = data.get("labels")
        return cls(
            (int(rows), int(cols)),
            tuple(int(i) for i in data["index"]),
            clicks_from(data["clicks"]),
            None if data["label"] is None else int(data["label"]),
            float(data["threshold"]),
            bool(data["protect"]),
            None if data["base"] is None else mask_from(data["base"]),
            tuple(AnswerRecord.from_data(answer) for answer in data["answers"]),
            None if labels is None else int(labels),
        )


def clicks_to(clicks: Clicks) -> list[list[Any]]:
    """Clicks as plain data: row, column, sign."""
    return [[click.row, click.col, click.positive] for click in clicks]


def clicks_from(data: Sequence[Sequence[Any]]) -> Clicks:
    """Clicks from plain data."""
    return Clicks(Click(float(row), float(col), bool(sign)) for row, col, sign in data)


def mask_to(mask: Patch) -> dict[str, Any]:
    """A mask as plain data; probabilities become true above one half."""
    bits = mask.values > 0.5
    return {
        "window": asdict(mask.window),
        "image_shape": list(mask.image_shape),
        "bits": pack_bits(bits),
    }


def mask_from(data: dict[str, Any]) -> Patch:
    """A mask from plain data."""
    window = Window(**data["window"])
    rows, cols = data["image_shape"]
    return Patch(unpack_bits(data["bits"], window.shape), window, (int(rows), int(cols)))


def settings_from(data: dict[str, Any] | None) -> Settings | None:
    """Settings from plain data."""
    if data is None:
        return None
    zoom = data["zoom"]
    if zoom is not None:
        target = zoom["target"]
        sides = target if isinstance(target, int) else (int(target[0]), int(target[1]))
        zoom = Zoom(**{**zoom, "target": sides})
    return Settings(**{**data, "zoom": zoom, "refinement": Refinement(**data["refinement"])})
