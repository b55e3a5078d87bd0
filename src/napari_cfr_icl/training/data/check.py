"""Check of a collection before training: the contents of each file, and its flaws."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage import measure

from napari_cfr_icl._errors import CfrIclError
from napari_cfr_icl.training.data.collection import Collection, Example

Severity = Literal["error", "warning", "note"]
_SMALL_ID = 100_000
_LARGE_SHARE = 0.8  # of the picture: more than that is hardly an object


@dataclass(frozen=True, slots=True)
class DatasetIssue:
    """An issue of one file.

    Attributes
    ----------
    key : str
        The picture's name.
    severity : str
        "error": it is left out; "warning": look at it; "note": normal, but good to know.
    kind : str
        One word for a group of findings.
    text : str
        One sentence.
    """

    key: str
    severity: Severity
    kind: str
    text: str


@dataclass(frozen=True, slots=True, eq=False)
class Objects:
    """The labelled objects of a picture.

    Attributes
    ----------
    ids : ndarray of int, shape (n,)
    boxes : ndarray of int, shape (n, 4)
        Top, left, bottom, right; the last two are the first row and column outside.
    areas : ndarray of int, shape (n,)
        In pixels.
    """

    ids: NDArray[np.int64]
    boxes: NDArray[np.int64]
    areas: NDArray[np.int64]

    @classmethod
    def of(cls, labels: NDArray[np.int32]) -> Objects:
        """The objects of a label image, by id."""
        compact, ids = _compact(np.maximum(labels, 0))
        slices = ndimage.find_objects(compact)
        boxes = [(r.start, c.start, r.stop, c.stop) for r, c in slices]
        areas = np.bincount(compact.ravel(), minlength=len(ids) + 1)[1:]
        return cls(ids, np.array(boxes, np.int64).reshape(-1, 4), areas.astype(np.int64))

    def __len__(self) -> int:
        return len(self.ids)

    def chosen(self, keep: NDArray[np.bool_]) -> Objects:
        """Only the objects where `keep` is True."""
        return Objects(self.ids[keep], self.boxes[keep], self.areas[keep])


@dataclass(frozen=True, slots=True, eq=False)
class ImageRecord:
    """One picture that was read and can be used.

    Attributes
    ----------
    example : Example
        Where it comes from.
    shape : tuple of int
        Rows and columns.
    objects : Objects
        Its labelled objects.
    pixels_hash, labels_hash : str
        Of the contents, so that changed and repeated pictures are noticed.
    """

    example: Example
    shape: tuple[int, int]
    objects: Objects
    pixels_hash: str
    labels_hash: str

    def with_objects(self, objects: Objects) -> ImageRecord:
        """The same record with other objects."""
        return replace(self, objects=objects)


@dataclass(frozen=True, slots=True, eq=False)
class DatasetReport:
    """The contents of a collection.

    Attributes
    ----------
    collection : Collection
    records : tuple of ImageRecord
        The usable pictures.
    findings : tuple of DatasetIssue
        Errors first.
    """

    collection: Collection
    records: tuple[ImageRecord, ...]
    findings: tuple[DatasetIssue, ...]

    @property
    def fingerprint(self) -> str:
        """A hash of all contents, in order."""
        parts = (f"{p.example.key} {p.pixels_hash} {p.labels_hash}" for p in self.records)
        return _hash("\n".join(parts).encode())


Read = Callable[[Example, NDArray[Any], NDArray[np.int32]], None]


def inspect_dataset(
    collection: Collection, min_area: int = 40, on_read: Read | None = None
) -> DatasetReport:
    """Read every picture of a collection once and report on each.

    Parameters
    ----------
    collection : Collection
        The collection to read.
    min_area : int, optional
        Objects of fewer pixels are reported as tiny.
    on_read : callable, optional
        Called with each example, its pixels and its labels: to show progress, to keep pictures.
    """
    findings = [DatasetIssue(key, "error", "files", why) for key, why in collection.troubles]
    records = []
    for example in collection.examples:
        try:
            pixels, labels = example.image(), example.labels()
        except CfrIclError as error:
            findings.append(DatasetIssue(example.key, "error", "unusable", str(error)))
            continue
        if doubt := example.doubt():
            findings.append(DatasetIssue(example.key, "warning", "assumed", doubt))
        if on_read is not None:
            on_read(example, pixels, labels)
        found = [DatasetIssue(example.key, *each) for each in _issues(pixels, labels, min_area)]
        findings += found
        if not any(finding.severity == "error" for finding in found):
            records.append(_record(example, pixels, labels))
    findings += _repeated(records)
    rank = {"error": 0, "warning": 1, "note": 2}
    findings.sort(key=lambda finding: rank[finding.severity])
    return DatasetReport(collection, tuple(records), tuple(findings))


def without_ignored(report: DatasetReport, ignored_id: int) -> DatasetReport:
    """The report without the id that marks pixels of unknown truth, which is no object."""
    records = (
        p.with_objects(p.objects.chosen(p.objects.ids != ignored_id)) for p in report.records
    )
    return replace(report, records=tuple(records))


def _record(example: Example, pixels: NDArray[Any], labels: NDArray[np.int32]) -> ImageRecord:
    shape = (labels.shape[0], labels.shape[1])
    contents = (_hash(np.ascontiguousarray(array).data) for array in (pixels, labels))
    return ImageRecord(example, shape, Objects.of(labels), *contents)


def _issues(
    pixels: NDArray[Any], labels: NDArray[np.int32], min_area: int
) -> Iterator[tuple[Severity, str, str]]:
    """Severity, kind and sentence of each issue of a picture."""
    if labels.size and labels.min() < 0:
        yield "note", "unknown", "ids below 0 count neither as object nor as background"
        labels = np.maximum(labels, 0)
    if pixels.shape[:2] != labels.shape:
        text = f"the image is {_size(pixels)} pixels, its labels are {_size(labels)}"
        yield "error", "sizes", text
        return
    if pixels.dtype.kind not in "buif":
        yield "error", "unusable", f"{pixels.dtype} are no numbers that can be drawn"
        return
    objects = Objects.of(labels)
    if not len(objects):
        yield "error", "empty", "nothing is labelled"
        return
    if (value := _only_value(pixels)) is not None:
        yield "warning", "constant", f"every pixel is {value}"
    if large := int((objects.areas > _LARGE_SHARE * labels.size).sum()):
        text = f"{_objects(large)} cover nearly the whole picture: is background labelled?"
        yield "warning", "large", text
    if split := _disconnected(labels, len(objects)):
        text = f"{_objects(split)} fall into several pieces: is one id used twice?"
        yield "warning", "disconnected", text
    if tiny := int((objects.areas < min_area).sum()):
        text = f"{_objects(tiny)} of {len(objects)} below {min_area} pixels are not trained on"
        yield "note", "tiny", text
    if touching := _touching(labels):
        yield "note", "touching", f"{_objects(touching)} of {len(objects)} touch another"


def _only_value(pixels: NDArray[Any]) -> Any:
    """The value that all pixels have, NaN and infinities left out; None if they differ."""
    seen = pixels[np.isfinite(pixels)] if pixels.dtype.kind == "f" else pixels
    if not seen.size:
        return "nan or infinite"
    return seen.min() if seen.min() == seen.max() else None


def _repeated(records: Sequence[ImageRecord]) -> Iterator[DatasetIssue]:
    same: dict[str, list[ImageRecord]] = defaultdict(list)
    for record in records:
        same[record.pixels_hash].append(record)
    for first, *others in same.values():
        for other in others:
            text = f"the same picture as {first.example.key}"
            yield DatasetIssue(other.example.key, "warning", "repeated", text)


def _disconnected(labels: NDArray[np.int32], count: int) -> int:
    pieces, pieces_count = measure.label(labels, connectivity=2, return_num=True)
    if pieces_count == count:
        return 0
    id_of_piece = np.zeros(pieces_count + 1, labels.dtype)
    id_of_piece[pieces] = labels
    _, parts = np.unique(id_of_piece[1:], return_counts=True)
    return int((parts > 1).sum())


def _touching(labels: NDArray[np.int32]) -> int:
    ids: set[int] = set()
    for one, other in ((labels[1:], labels[:-1]), (labels[:, 1:], labels[:, :-1])):
        meet = (one != other) & (one > 0) & (other > 0)
        ids.update(one[meet].tolist(), other[meet].tolist())
    return len(ids)


def _compact(labels: NDArray[np.int32]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Labels as 0, 1 .. n and the ids that 1 .. n stand for: ids may be as large as they like."""
    if labels.size and labels.max() < max(labels.size, _SMALL_ID):  # counting beats sorting
        ids = np.flatnonzero(np.bincount(labels.ravel()))
        ids = ids[ids > 0]
        numbers = np.zeros(int(labels.max()) + 1, np.int64)
        numbers[ids] = np.arange(1, len(ids) + 1)
        return numbers[labels], ids
    values, inverse = np.unique(labels.ravel(), return_inverse=True)
    has_background = int(values.size > 0 and values[0] == 0)
    numbers = inverse.astype(np.int64) + 1 - has_background
    return numbers.reshape(labels.shape), values[has_background:].astype(np.int64)


def _hash(contents: Any) -> str:
    return hashlib.blake2b(contents, digest_size=12).hexdigest()


def _size(array: NDArray[Any]) -> str:
    return f"{array.shape[0]} x {array.shape[1]}"


def _objects(count: int) -> str:
    return f"{count} object" if count == 1 else f"{count} objects"


def counted(findings: Iterable[DatasetIssue]) -> dict[tuple[Severity, str], int]:
    """Number of findings of each severity and kind."""
    counts: dict[tuple[Severity, str], int] = defaultdict(int)
    for finding in findings:
        counts[finding.severity, finding.kind] += 1
    return dict(counts)
