from __future__ import annotations

import numpy as np
import pytest

from napari_cfr_icl.engine.clicks import Click
from napari_cfr_icl.evaluation.protocol.records import Method, Record, Subject, in_order
from napari_cfr_icl.evaluation.protocol.simulate import Simulation

SUBJECT = Subject("set", "a.png", "7", 3, 120, (40, 50))
DONE = [
    Simulation(Click(3, 4), float(np.float32(1 / 3)), 2, "limit", 0.123456789, 0.01),
    Simulation(Click(5, 6, positive=False), float(np.float32(0.95)), 1, "converged", 0.2, 0.02),
]


def record(scheme="std", index=3):
    subject = Subject("set", "a.png", "7", index, 120, (40, 50))
    return Record.of(Method("model", "paper", scheme), subject, DONE)


def test_line_gives_the_record_back():
    written = record()
    read = Record.from_line(written.to_line())

    assert read.subject == SUBJECT
    assert read.method == written.method
    assert [np.float32(v) for v in read.ious] == [np.float32(1 / 3), np.float32(0.95)]
    assert read.clicks == (Click(3, 4), Click(5, 6, positive=False))
    assert (read.passes, read.stopped) == ((2, 1), ("limit", "converged"))
    assert read.seconds == pytest.approx((0.123457, 0.2))
    assert Record.from_line(read.to_line()) == read


@pytest.mark.parametrize("line", ["", "{", "[]", "{}", "3", '{"method": {}, "subject": {}}'])
def test_other_lines_are_no_records(line):
    with pytest.raises(ValueError, match=r"no record|JSON|Expecting"):
        Record.from_line(line)


def test_order_is_that_of_the_methods_and_then_of_the_objects():
    methods = [Method("model", "paper", scheme) for scheme in ("std", "cfr-1")]
    mixed = [record("cfr-1", 2), record("std", 9), record("std", 1), record("std", 9)]
    mixed.append(record("a-cfr-4", 1))

    ordered = in_order(mixed, methods)

    assert [(r.method.scheme, r.subject.index) for r in ordered] == [
        ("std", 1),
        ("std", 9),
        ("cfr-1", 2),
    ]
