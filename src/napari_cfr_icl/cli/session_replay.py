"""A session done again: every answer of its network predicted, every object written."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import imageio.v3 as iio
import numpy as np

from napari_cfr_icl._errors import ImageError, InputError, ModelError
from napari_cfr_icl.autosave.fingerprint import fingerprint_image
from napari_cfr_icl.autosave.records import BASE, NOTHING
from napari_cfr_icl.cli.segmentation import counted
from napari_cfr_icl.engine.predictor import Predictor
from napari_cfr_icl.engine.rendering import Channel, Rendering
from napari_cfr_icl.engine.source import ImageSource
from napari_cfr_icl.exports.label_image import LabelImage
from napari_cfr_icl.exports.writing import write_labels
from napari_cfr_icl.images.decode_errors import DAMAGE
from napari_cfr_icl.images.opening import open_image
from napari_cfr_icl.images.plane import Plane
from napari_cfr_icl.session.labels import writing
from napari_cfr_icl.zoo.file_kinds import file_sha256
from napari_cfr_icl.zoo.loading import load_file, locate
from napari_cfr_icl.zoo.store import ModelStore

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from napari_cfr_icl.autosave.event_log import EventLog, Operation
    from napari_cfr_icl.autosave.records import AnswerRecord, EngineRecord, ObjectRecord
    from napari_cfr_icl.engine.prediction import Prediction
    from napari_cfr_icl.engine.settings import Precision
    from napari_cfr_icl.engine.windows import Patch, Window


@dataclass(frozen=True, slots=True, eq=False)
class Replayed:
    """The result of a replay.

    Parameters
    ----------
    labels : list of ndarray
        Every label image.
    different_pixels : int
        Number of pixels that differ from the session's own labels.
    copied : int
        Number of changes without known clicks, such as painting, which are copied.
    """

    labels: list[NDArray[Any]]
    different_pixels: int
    copied: int


def find_image(work: EventLog, session: Path, given: Path | None) -> list[Any]:
    """The image of a session, as levels of falling resolution.

    Raises
    ------
    ImageError
        When it is missing, unreadable, or another image.
    """
    path = given or _remembered(work, session)
    for levels in _readings(path):
        if fingerprint_image(levels[0], "", None).is_same_image(work.image):
            return levels
    raise ImageError(
        f"{path} is another image than {work.image.name}, which the session was made on: its "
        "pixels differ."
    )


def replayed(work: EventLog, levels: list[Any], device: str | None) -> Replayed:
    """Repeat a session.

    Raises
    ------
    CfrIclError
        When a model is missing or another one, the device is missing, or labels were not kept.
    """
    starts = [record.start.labels for record in work.labels]
    for record, start in zip(work.labels, starts, strict=True):
        if start is None:
            raise InputError(
                f"The session does not hold what the labels {record.name!r} began with: "
                "it cannot be replayed."
            )
    labels = [start for start in starts if start is not None]
    expected = [start.copy() for start in labels]
    network = _Networks(work, device)
    copied = 0
    for operation in work.operations:
        operation.change.apply(expected[operation.labels])
        made = operation.made
        if made is None or not made.answers:
            operation.change.apply(labels[operation.labels])
            copied += 1
        else:
            _write_again(operation, made, labels, _predicted(work, made, levels, network))
    different = sum(int((a != b).sum()) for a, b in zip(labels, expected, strict=True))
    return Replayed(labels, different, copied)


def write(out: Path, work: EventLog, result: Replayed) -> None:
    """Write the labels; where there are several label images, the others get a number.

    Raises
    ------
    OutputError
        When they cannot be written.
    """
    for number, labels in enumerate(result.labels, start=1):
        path = out if number == 1 else out.with_stem(f"{out.stem}-{number}")
        write_labels(path, LabelImage(labels, work.image.name))


def report(work: EventLog, result: Replayed, out: Path | None) -> str:
    """The result in one line."""
    where = "" if out is None else f"{out}: "
    same = "the labels are those of the session to the last pixel"
    if result.different_pixels:
        pixels = counted(result.different_pixels, "pixel")
        same = f"the labels differ from those of the session in {pixels}"
    copied = f", {counted(result.copied, 'change')} without clicks taken over"
    objects = counted(work.object_count, "object")
    return f"{where}{objects}{copied if result.copied else ''}; {same}."


class _Networks:
    """The predictors of a session, each made when it is first needed."""

    def __init__(self, work: EventLog, device: str | None) -> None:
        self._engines = work.engines
        self._device = device
        self._made: dict[int, Predictor] = {}

    def __getitem__(self, number: int) -> Predictor:
        if number not in self._made:
            self._made[number] = self._make(self._engines[number])
        return self._made[number]

    def _make(self, engine: EngineRecord) -> Predictor:
        if engine.settings is None:
            raise ModelError("The session does not say which model it was made with.")
        path = locate(engine.model, ModelStore())
        if file_sha256(path) != engine.sha256:
            raise ModelError(
                f"{path} is another model than the session was made with: the checksum of that "
                f"begins with {engine.sha256[:12]}."
            )
        # By name: this machine's fastest may be another. Version 0.1 also named a layout after it.
        arithmetic = cast("Precision", engine.arithmetic.partition("-")[0])
        settings = replace(engine.settings, precision=arithmetic)
        return Predictor(load_file(path), settings, self._device or engine.device)


def _predicted(work: EventLog, made: ObjectRecord, levels: list[Any], networks: _Networks) -> Patch:
    """The mask of an object, predicted again."""
    predictions: list[Prediction] = []
    for answer in made.answers:
        source = _source(work, answer, levels)
        steps = networks[answer.engine].steps(
            source, answer.clicks, _fed(answer, made, predictions), answer.view
        )
        *_, last = islice(steps, answer.passes)
        predictions.append(last)
    return predictions[-1].probabilities.threshold(made.threshold)


def _fed(answer: AnswerRecord, made: ObjectRecord, predictions: list[Prediction]) -> Any:
    if answer.fed == NOTHING:
        return None
    return made.base if answer.fed == BASE else predictions[int(answer.fed)]


def _source(work: EventLog, answer: AnswerRecord, levels: list[Any]) -> ImageSource:
    picture = work.pictures[answer.picture]
    rendering = Rendering(tuple(Channel(*channel) for channel in picture.channels))
    plane = Plane(*picture.axes, picture.channel_axis, picture.position)
    drawn = set(picture.axes)
    full = levels[0].shape
    # As in the dock: a level that has fewer planes than the finest is no level of this plane.
    kept = [
        level
        for level in levels
        if all(level.shape[i] == full[i] for i in range(len(full)) if i not in drawn)
    ]
    return ImageSource(kept, rendering, plane)


def _write_again(
    operation: Operation, made: ObjectRecord, labels: list[NDArray[Any]], mask: Patch
) -> None:
    store = _ArrayStore(labels[operation.labels], made)
    there = made.written or made.base
    old = None if there is None else there.threshold(0.5)
    edit = writing(store, mask, made.label or 0, protect=made.protect, old=old)
    if edit is not None:
        edit.apply()


class _ArrayStore:
    """A plane of an array of labels, as the session writes into one."""

    def __init__(self, labels: NDArray[Any], made: ObjectRecord) -> None:
        self._labels = labels
        self._made = made

    @property
    def shape(self) -> tuple[int, int]:
        rows, cols = self._made.axes
        return self._labels.shape[rows], self._labels.shape[cols]

    def next_label(self) -> int:
        raise NotImplementedError("every object of a session has its id")

    def fit(self, mask: Patch) -> Patch:
        return mask

    @property
    def is_there(self) -> bool:
        return True

    def to_image(self, mask: Patch) -> Patch:
        return mask

    def read(self, window: Window) -> NDArray[Any]:
        return np.array(self._box(window))

    def write(self, window: Window, changed: NDArray[np.bool_], ids: NDArray[Any] | int) -> None:
        self._box(window)[changed] = ids

    def _box(self, window: Window) -> NDArray[Any]:
        index: list[int | slice] = list(self._made.index)
        for axis, part in zip(self._made.axes, window.slices, strict=True):
            index[axis] = part
        box: NDArray[Any] = self._labels[tuple(index)]
        return box


def _remembered(work: EventLog, session: Path) -> Path:
    """The image where it was, or beside the session file."""
    if work.image.path is None:
        raise ImageError(
            f"The session was made on {work.image.name}, which had no file: name one with --image."
        )
    path = Path(work.image.path)
    beside = session.parent / path.name
    found = next((place for place in (path, beside) if place.exists()), None)
    if found is None:
        raise ImageError(f"There is no file {path} any more: say with --image where it is now.")
    return found


def _readings(path: Path) -> Iterator[list[Any]]:
    """The pixels of a file as different programs read them."""
    yield list(open_image(path).levels)
    if path.is_file() and path.suffix.lower() != ".npy":
        with suppress(*DAMAGE):
            yield [np.asarray(iio.imread(path))]  # as napari reads it: alpha is kept
