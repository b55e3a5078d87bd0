"""Files of every kind through the commands: the same pixels, and clicks in the same places."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from written_files import WRITERS, by_plane, files, write

OBJECT = (slice(4, 13), slice(9, 18))
"""Off the middle, so that a picture on its side has it elsewhere."""

some = st.lists(files(least=22), min_size=3, max_size=4, unique_by=lambda made: made[0])
every = st.tuples(*(files((writer,), least=22) for writer in WRITERS))
without_fixtures = settings(
    deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@settings(without_fixtures, max_examples=1)
@given(made=some)
def test_commands_see_the_same_pixels_and_places(run, small_model, made):
    agree(run, small_model, made)


@pytest.mark.slow
@settings(without_fixtures, max_examples=5)
@given(made=every)
def test_commands_see_the_same_in_every_kind_of_file(run, small_model, made):
    agree(run, small_model, made)


def agree(run, model, made):
    """`segment` at the click of `evaluate` has its IoU, and `train check` its planes."""
    with tempfile.TemporaryDirectory() as place:
        root = Path(place)
        labels = collection(root, made)
        checked = run("train", "check", str(root))
        assert f"{sum(map(len, labels.values()))} usable pictures" in checked.stdout, checked
        out = root / "results"
        words = ["--inference", "std", *model]
        done = run("evaluate", str(root), "--out", str(out), "--max-clicks", "1", *words)
        assert done.exit_code == 0, done
        clicked = records(out)
        for name, planes in labels.items():
            for number, (index, truth) in enumerate(planes.items()):
                ((row, col, positive),), expected = clicked[name].pop(0)
                # The deepest pixel, here the middle one.
                assert (row, col, positive) == (OBJECT[0].start + 4, OBJECT[1].start + 4, True)
                if number in (0, len(planes) - 1):
                    plane = ["--plane", ",".join(map(str, index))] if index else []
                    words = [*plane, "--preset", "paper", "--inference", "std", *model]
                    mask = segmented(run, root, name, row, col, words)
                    assert mask.shape == truth.shape
                    overlap = (mask & truth).sum() / (mask | truth).sum()
                    assert overlap == pytest.approx(expected, abs=1e-6), (name, index)


def collection(root, made):
    """Write files and their labels; returns the labels by file and plane."""
    (root / "images").mkdir()
    (root / "labels").mkdir()
    found = {}
    for number, (name, axes, pixels, orientation) in enumerate(made):
        path = root / "images" / f"{number}-{name}"
        planes = by_plane(*write(path, axes, pixels, orientation))
        truth = {index: np.zeros(plane.shape[:2], bool) for index, plane in planes.items()}
        for plane in truth.values():
            plane[OBJECT] = True
        leading = tuple(np.add(max(planes), 1))
        stacked = np.stack(list(truth.values())).reshape(*leading, *plane.shape)
        stem = path.name.removesuffix(path.suffix)
        target = root / "labels" / f"{stem}.tif"
        tifffile.imwrite(target, stacked.astype(np.uint8), photometric="minisblack")
        found[path.name] = truth
    return found


def records(out):
    """Clicks and IoU of each object, by file, plane by plane."""
    found = {}
    for part in sorted((out / "records").iterdir()):
        for line in part.read_text().splitlines():
            record = json.loads(line)
            file = record["subject"]["picture"].split("[")[0].split(":")[0].strip()
            found.setdefault(file, []).append((record["clicks"], record["ious"][0]))
    return found


def segmented(run, root, name, row, col, words):
    out = root / "mask.tif"
    click = f"{row},{col},+"
    done = run("segment", str(root / "images" / name), "--click", click, "--out", str(out), *words)
    assert done.exit_code == 0, done
    return tifffile.imread(out) > 0
