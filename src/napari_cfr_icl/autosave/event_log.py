"""The event log of one image: its initial labels, every change of them, and the current object.

Events are small dicts of values that are applied in memory and written as lines of JSON; reading
the lines gives the same log. The journal, the session file and the replay all use it.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from pydantic import AfterValidator

from napari_cfr_icl._errors import CfrIclError, InputError
from napari_cfr_icl.autosave.fingerprint import ImageFingerprint
from napari_cfr_icl.autosave.label_diff import LabelDiff
from napari_cfr_icl.autosave.plain_data import Serializable, WrittenAs
from napari_cfr_icl.autosave.records import EngineRecord, ObjectRecord, PictureRecord
from napari_cfr_icl.autosave.serialization import (
    MOST_PACKED,
    pack_array,
    unpack_array,
    unpacked_rows,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray

FORMAT = 1
Event = dict[str, Any]


class StartLabels:
    """The initial content of a label image, packed in the background.

    Parameters
    ----------
    array : array-like, optional
        The labels; released once they are packed. None where they are kept elsewhere (a Zarr
        array on the disk, or far too much to keep).
    """

    def __init__(self, array: Any = None) -> None:
        self._array = array
        self._packed: dict[str, Any] | None = None
        self._changes: list[LabelDiff] = []
        self._is_complete = False

    def pack(self) -> None:
        """Read and pack the labels now."""
        if self._array is not None:
            self._packed = pack_array(self._array, MOST_PACKED)
            self._array = None

    def exclude(self, changes: Sequence[LabelDiff]) -> None:
        """Leave out changes made together, which may have been packed already or in part."""
        if not self._is_complete:
            self._changes += changes
            # These may have begun before the packing ended; the next ones have not.
            self._is_complete = self._array is None

    @property
    def labels(self) -> NDArray[Any] | None:
        """The labels, or None where they were not kept."""
        packed = self.to_data()
        return None if packed is None else unpack_array(packed)

    def to_data(self) -> dict[str, Any] | None:
        """Plain data for JSON."""
        self.pack()
        self._is_complete = True
        while self._changes and self._packed is not None:
            change = self._changes.pop().reversed()
            with unpacked_rows(self._packed, change.slices[0]) as (rows, first):
                replace(change, start=(change.start[0] - first, *change.start[1:])).apply(rows)
        return self._packed

    @classmethod
    def from_data(cls, data: dict[str, Any] | None) -> StartLabels:
        """The labels that `to_data` was called on."""
        start = cls()
        start._packed = data
        return start


@dataclass(frozen=True, slots=True, eq=False)
class LabelsRecord(Serializable):
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
        Its initial content.
    """

    name: str
    shape: tuple[int, ...]
    dtype: Annotated[str, AfterValidator(lambda name: np.dtype(name).name)]
    start: Annotated[StartLabels, WrittenAs(StartLabels.to_data, StartLabels.from_data)]


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
        """True when this reverts `other`."""
        return self.labels == other.labels and self.change.takes_back(other.change)

    def repeats(self, other: Operation) -> bool:
        """True when this makes the change of `other`."""
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
    """Everything that was done on one image. Only `apply` changes it.

    Parameters
    ----------
    image : ImageFingerprint
        The image.
    began : str
        Time of the first step, in ISO 8601.
    """

    image: ImageFingerprint
    began: str = field(default_factory=lambda: datetime.now().isoformat(timespec="seconds"))
    engines: list[EngineRecord] = field(default_factory=list)
    pictures: list[PictureRecord] = field(default_factory=list)
    labels: list[LabelsRecord] = field(default_factory=list)
    operations: list[Operation] = field(default_factory=list)
    current: ObjectRecord | None = None
    replaced: set[int] = field(default_factory=set)
    """Numbers of the labels whose changes became a part of their initial content."""

    @property
    def is_empty(self) -> bool:
        """True when nothing was done."""
        return not (self.operations or self.replaced) and self.current is None

    @property
    def changed(self) -> set[int]:
        """Numbers of the labels that were changed."""
        return {operation.labels for operation in self.operations} | self.replaced

    @property
    def object_count(self) -> int:
        """Number of objects that were written."""
        return len({(op.labels, op.made.label) for op in self.operations if op.made is not None})

    def apply(self, event: Event) -> None:
        """Apply an event.

        Raises
        ------
        ValueError
            When it is of no known kind, or does not fit the events before.
        """
        match event["event"]:
            case "engine":
                self.engines.append(event["engine"])
            case "picture":
                self.pictures.append(event["picture"])
            case "labels":
                self._begin_labels(int(event["number"]), event["labels"])
                if event.get("replaced"):
                    self.replaced.add(int(event["number"]))
            case "edit":
                self._edit(Operation(int(event["number"]), event["change"], event["object"]))
            case "undone":
                self.operations.pop(int(event["index"]))
            case "object":
                self._set_current(event["object"])
            case other:
                raise ValueError(f"no event {other!r}")

    def events(self) -> Iterator[Event]:
        """The shortest events that make this log."""
        yield {"event": "start", "format": FORMAT, "began": self.began, "image": self.image}
        for engine in self.engines:
            yield {"event": "engine", "engine": engine}
        for picture in self.pictures:
            yield {"event": "picture", "picture": picture}
        for number, labels in enumerate(self.labels):
            event = {"event": "labels", "number": number, "labels": labels}
            yield event | {"replaced": True} if number in self.replaced else event
        for op in self.operations:
            yield edit_event(op)
        yield {"event": "object", "object": self.current}

    def changed_labels(self, number: int, labels: Any) -> Any:
        """Apply all changes of a label image to its initial content, in place; returns it."""
        for op in self.operations:
            if op.labels == number:
                op.change.apply(labels)
        return labels

    def _begin_labels(self, number: int, labels: LabelsRecord) -> None:
        if number > len(self.labels):
            raise ValueError("a label image is missing")
        self.labels[number : number + 1] = [labels]
        # Its initial content has all that was done to it.
        self.replaced |= self.changed & {number}
        self.operations = [op for op in self.operations if op.labels != number]

    def _set_current(self, current: ObjectRecord | None) -> None:
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
    """The same events with the image's fingerprint, once it is known."""
    for event in events:
        yield {**event, "image": image} if event["event"] == "start" else event


def encoded(event: Event) -> dict[str, Any]:
    """An event as plain data for JSON."""
    return {
        name: value.to_data() if name in _KINDS and value is not None else value
        for name, value in event.items()
    }


def decoded(data: dict[str, Any]) -> Event:
    """An event from plain data.

    Raises
    ------
    ValueError
        When it is damaged.
    """
    try:
        return {
            name: _KINDS[name].from_data(value) if name in _KINDS and value is not None else value
            for name, value in data.items()
        }
    except (AttributeError, CfrIclError, LookupError, TypeError, OverflowError) as error:
        raise ValueError(f"a damaged event ({error!r})") from error


def log_from(events: Iterable[Event]) -> EventLog:
    """The log that these events make; the first is a start.

    Raises
    ------
    InputError
        When the first is no start, or of another version of the program.
    ValueError
        When a later one does not fit.
    """
    steps = iter(events)
    start = next(steps, {})
    if start.get("event") != "start" or not isinstance(start.get("image"), ImageFingerprint):
        raise InputError("There is no work in it.")
    if start.get("format") != FORMAT:
        raise InputError("It was written by another version of this program: use that one.")
    log = EventLog(start["image"], str(start["began"]))
    for event in steps:
        try:
            log.apply(event)
        except (LookupError, TypeError) as error:
            raise ValueError(f"an event that does not fit ({error!r})") from error
    return log
