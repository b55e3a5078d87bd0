"""Made-up work on an image: two objects, one of them taken back, a third under way."""

from __future__ import annotations

import numpy as np

from napari_cfr_icl.autosave.event_log import EventLog, LabelsRecord, StartLabels
from napari_cfr_icl.autosave.fingerprint import fingerprint_image
from napari_cfr_icl.autosave.label_diff import LabelDiff
from napari_cfr_icl.autosave.records import (
    BASE,
    NOTHING,
    AnswerRecord,
    EngineRecord,
    ObjectRecord,
    PictureRecord,
)
from napari_cfr_icl.engine.clicks import Click, Clicks
from napari_cfr_icl.engine.settings import Settings
from napari_cfr_icl.engine.windows import Patch, Window

SHAPE = (40, 50)


def image():
    return np.random.default_rng(3).integers(0, 255, SHAPE, np.uint8)


def square(row, col, side=6):
    rows, cols = np.mgrid[row : row + side, col : col + side]
    return rows.ravel(), cols.ravel()


def edit(row, col, label, before=0, side=6):
    """An object of a square, written."""
    change = LabelDiff.at(square(row, col, side), before, np.uint16(label))
    clicks = Clicks([Click(row, col), Click(row + 1.5, col, positive=False)])
    base = Patch(np.eye(3, dtype=bool), Window(row, col, 3, 3), SHAPE)
    answers = (
        AnswerRecord(clicks[:1], NOTHING, None, 2, 0, 0),
        AnswerRecord(clicks, 0, Window(0, 0, 20, 20), 1, 0, 0),
        AnswerRecord(clicks, BASE, None, 1, 0, 0),
    )
    made = ObjectRecord((0, 1), (0, 0), clicks, label, 0.25, False, base, answers)
    return {"event": "edit", "number": 0, "change": change, "object": made}


def start_labels():
    labels = np.zeros(SHAPE, np.uint16)
    labels[30:, 40:] = 500
    return labels


def events():
    """Every kind of event, in an order that can happen."""
    start = StartLabels(start_labels())
    settings = Settings.paper()
    picture = PictureRecord((0, 1), None, (0, 0), ((0, (1.0, 1.0, 1.0), 3.0, 200.0, 0.5),))
    current = ObjectRecord((0, 1), (0, 0), Clicks([Click(5, 5)]))
    return [
        {"event": "engine", "engine": EngineRecord("m", "ab", "cpu", "bfloat16", settings)},
        {"event": "picture", "picture": picture},
        {"event": "labels", "number": 0, "labels": LabelsRecord("objects", SHAPE, "uint16", start)},
        {"event": "object", "object": current},
        edit(2, 3, 501),
        {"event": "object", "object": None},
        edit(20, 30, 502),
        edit(22, 32, 503, before=502, side=3),
        {"event": "undone", "index": 2},
        {"event": "object", "object": current},
    ]


def some_work(path=None):
    work = EventLog(fingerprint_image(image(), "cells.tif", path))
    for event in events():
        work.apply(event)
    return work


def expected_labels():
    labels = start_labels()
    labels[square(2, 3)] = 501
    labels[square(20, 30)] = 502
    return labels


def final_labels(log, number):
    """The content of a label image after all changes."""
    return log.changed_labels(number, log.labels[number].start.labels)


def same_work(one, other):
    """Whether two works say the same, to the last bit."""
    from napari_cfr_icl.autosave.event_log import encoded

    return [encoded(event) for event in one.events()] == [
        encoded(event) for event in other.events()
    ]
