"""The work on one image: what it began with, every change of the labels, and the current object.

It is made of events, each a small dict of values, that are applied in memory and written down as
lines of JSON; reading the lines again gives the same work. The journal, the session file and the
replay all speak of it.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cfr_icl._errors import CfrIclError, InputError
from napari_cfr_icl.autosave.fingerprint import ImageFingerprint
from napari_cfr_icl.autosave.label_diff import LabelDiff
from napari_cfr_icl.autosave.records import EngineRecord, ObjectRecord, PictureRecord
from napari_cfr_icl.autosave.serialization import MOST_PACKED, pack_array, unpack_array

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

FORMAT = 1
Event = dict[str, Any]


class StartLabels:
    """What a label image held before the work, packed in the background.

    Parameters
    ----------
    array : array-like, optional
        The labels; let go of once they are packed. None where they are kept elsewhere (a Zarr
        array on the disk, or far too much to keep).
    """

    def __init__(self, array: Any = None) -> None:
        self._array = array
        self._packed: dict[str, Any] | None = None
        self._ready = threading.Event()
        if array is None:
            self._ready.set()

    def pack(self) -> None:
        """Look at the labels now."""
        if not self._ready.is_set():
            self._packed = pack_array(self._array, MOST_PACKED)
            self._array = None
            self._ready.set()

    def wait(self, timeout: float) -> bool:
        """Wait until they are packed, at most `timeout` seconds; tells whether they are."""
        return self._ready.wait(timeout)

    @property
    def labels(self) -> NDArray[Any] | None:
        """The labels, or None where they were not kept."""
        self.pack()
        return None if self._packed is None else unpack_array(self._packed)

    def to_data(self) -> dict[str, Any] | None:
        """Plain data for JSON."""
        self.pack()
        return self._packed

    @classmethod
    def from_data(cls, data: dict[str, Any] | None) -> StartLabels:
        """What `to_data` gave."""
        start = cls()
        start._packed = data
        return start


@dataclass(frozen=True, slots=True, eq=False)
class LabelsRecord:
    """A label image that was written into.

    Parameters
    ----------
    name : str
        Its name.
    shape : tuple of int
        Length of every axis.
    dtype : str
        Type of its ids.
    start : StartLabels
        What it held before.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    start: StartLabels

    def to_data(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "name": self.name,
            "shape": list(self.shape),
            "dtype": self.dtype,
            "start": self.start.to_data(),
        }

    @classmethod
    def from_data(cls, data: dict[str, Any]) -> LabelsRecord:
        """What `to_data` gave."""
        start = StartLabels.from_data(data["start"])
        shape = tuple(int(side) for side in data["shape"])
        return cls(str(data["name"]), shape, np.dtype(data["dtype"]).name, start)


@dataclass(frozen=True, slots=True, eq=False)
class Operation:
    """A change of a label image.

    Parameters
    ----------
    labels : int
        Number of the label image.
    change : LabelDiff
        Its pixels.
    made : ObjectRecord or None
        The object that was written; None for what was painted by hand, or undone.
    """

    labels: int
    change: LabelDiff
    made: ObjectRecord | None

    def takes_back(self, other: Operation) -> bool:
        """Whether this leaves the labels as they were before `other`."""
        return self.labels == other.labels and self.change.takes_back(other.change)

    def repeats(self, other: Operation) -> bool:
        """Whether this does to the labels what `other` did."""
        return self.labels == other.labels and self.change.takes_back(other.change.reversed())


_KINDS: dict[str, Any] = {
    "image": ImageFingerprint,
    "engine": EngineRecord,
    "picture": PictureRecord,
    "labels": LabelsRecord,
    "change": LabelDiff,
    "object": ObjectRecord,
}


@dataclass(slots=True, eq=False)
class EventLog:
    """Everything that was done on one image. Changed by `apply` alone.

    Parameters
    ----------
    image : ImageFingerprint
        The image.
    began : str
        When, in ISO 8601.
    """

    image: ImageFingerprint
    began: str = field(default_factory=lambda: datetime.now().isoformat(timespec="seconds"))
    engines: list[EngineRecord] = field(default_factory=list)
    pictures: list[PictureRecord] = field(default_factory=list)
    labels: list[LabelsRecord] = field(default_factory=list)
    operations: list[Operation] = field(default_factory=list)
    current: ObjectRecord | None = None

    @property
    def is_empty(self) -> bool:
        """Whether nothing was done."""
        return not self.operations and self.current is None

    @property
    def object_count(self) -> int:
        """Number of objects that were written."""
        return len({(op.labels, op.made.label) for op in self.operations if op.made is not None})

    def apply(self, event: Event) -> None:
        """Take in an event.

        Raises
        ------
        ValueError
            When it is of no known kind, or does not fit what was before.
        """
        match event["event"]:
            case "engine":
                self.engines.append(event["engine"])
            case "picture":
                self.pictures.append(event["picture"])
            case "labels":
                self._begin_labels(int(event["number"]), event["labels"])
            case "edit":
                self._edit(Operation(int(event["number"]), event["change"], event["object"]))
            case "undone":
                self.operations.pop(int(event["index"]))
            case "object":
                self._take_up(event["object"])
            case other:
                raise ValueError(f"no event {other!r}")

    def events(self) -> Iterator[Event]:
        """The shortest way to this work."""
        yield {"event": "start", "format": FORMAT, "began": self.began, "image": self.image}
        for engine in self.engines:
            yield {"event": "engine", "engine": engine}
        for picture in self.pictures:
            yield {"event": "picture", "picture": picture}
        for number, labels in enumerate(self.labels):
            yield {"event": "labels", "number": number, "labels": labels}
        for op in self.operations:
            yield edit_event(op)
        yield {"event": "object", "object": self.current}

    def final_labels(self, number: int) -> NDArray[Any] | None:
        """What a label image holds now; None where its start was not kept."""
        labels = self.labels[number].start.labels
        if labels is None:
            return None
        for op in self.operations:
            if op.labels == number:
                op.change.apply(labels)
        return labels

    def _begin_labels(self, number: int, labels: LabelsRecord) -> None:
        if number > len(self.labels):
            raise ValueError("a label image is missing")
        self.labels[number : number + 1] = [labels]
        # What it begins with holds all that was done to it.
        self.operations = [op for op in self.operations if op.labels != number]

    def _take_up(self, current: ObjectRecord | None) -> None:
        came_from = None if current is None else current.labels
        if came_from is not None and not 0 <= came_from < len(self.labels):
            raise ValueError("an object came from labels that are missing")
        self.current = current

    def _edit(self, operation: Operation) -> None:
        shape = self.labels[operation.labels].shape
        box = operation.change.slices
        if len(box) != len(shape) or any(
            part.start < 0 or part.stop > side for part, side in zip(box, shape, strict=True)
        ):
            raise ValueError("a change reaches beyond the labels")
        self.operations.append(operation)


def edit_event(op: Operation) -> Event:
    """The event that makes an operation."""
    return {"event": "edit", "number": op.labels, "change": op.change, "object": op.made}


def identified(events: Iterable[Event], image: ImageFingerprint) -> Iterator[Event]:
    """The same events with what is known of the image by now."""
    for event in events:
        yield {**event, "image": image} if event["event"] == "start" else event


def encoded(event: Event) -> dict[str, Any]:
    """An event as plain data for JSON."""
    return {
        name: value.to_data() if name in _KINDS and value is not None else value
        for name, value in event.items()
    }


def decoded(data: dict[str, Any]) -> Event:
    """What `encoded` gave.

    Raises
    ------
    ValueError
        When it is none.
    """
    try:
        return {
            name: _KINDS[name].from_data(value) if name in _KINDS and value is not None else value
            for name, value in data.items()
        }
    except (AttributeError, CfrIclError, LookupError, TypeError, OverflowError) as error:
        raise ValueError(f"a damaged event ({error!r})") from error


def log_from(events: Iterable[Event]) -> EventLog:
    """The work that these events make; the first is a start.

    Raises
    ------
    InputError
        When the first is none, or of a newer version of the program.
    ValueError
        When a later one does not fit.
    """
    steps = iter(events)
    start = next(steps, {})
    if start.get("event") != "start" or not isinstance(start.get("image"), ImageFingerprint):
        raise InputError("There is no work in it.")
    if start.get("format") != FORMAT:
        raise InputError("It was written by another version of this program: use that one.")
    work = EventLog(start["image"], str(start["began"]))
    for event in steps:
        try:
            work.apply(event)
        except (LookupError, TypeError) as error:
            raise ValueError(f"an event that does not fit ({error!r})") from error
    return work
