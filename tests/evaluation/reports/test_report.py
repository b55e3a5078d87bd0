from __future__ import annotations

import csv
import json

import numpy as np
import pyarrow.parquet
import pytest
from matplotlib.image import imread

from blob_dataset import TINY_MODEL, TINY_SETTINGS, blobs
from napari_cfr_icl import zoo
from napari_cfr_icl.engine import Predictor
from napari_cfr_icl.engine.clicks import Click
from napari_cfr_icl.engine.source import ImageSource
from napari_cfr_icl.evaluation.protocol.options import DatasetChoice, EvaluateOptions, Protocol
from napari_cfr_icl.evaluation.protocol.records import Method, Record, Subject
from napari_cfr_icl.evaluation.protocol.simulate import simulate
from napari_cfr_icl.evaluation.protocol.simulated_users import RobotUser
from napari_cfr_icl.evaluation.reports.failure_cases import case_of, worst_of, write_page
from napari_cfr_icl.evaluation.reports.report import write_report
from napari_cfr_icl.evaluation.reports.tables import markdown, method_titles, scheme_title

PROTOCOL = Protocol(max_clicks=5)


def records(*methods, datasets=("GrabCut", "DAVIS"), objects=6):
    rng = np.random.default_rng(0)
    found, index = [], 0
    for dataset in datasets:
        for number in range(objects):
            for method in methods:
                ious = np.sort(rng.random(5)).astype(np.float32).tolist()
                subject = Subject(dataset, f"{number}.png", "1", index, 500, (60, 80))
                found.append(record_of(method, subject, ious))
            index += 1
    return found


def record_of(method, subject, ious):
    count = len(ious)
    clicks, stops = (Click(3, 4),) * count, ("limit",) * count
    seconds = (0.1,) * count
    return Record(method, subject, tuple(ious), clicks, (2,) * count, stops, seconds, seconds)


def options(out, **changes):
    return EvaluateOptions(
        (DatasetChoice(out),), out, ("model",), ("std", "cfr-1"), protocol=PROTOCOL, **changes
    )


METHODS = [Method("model", "paper", scheme) for scheme in ("std", "cfr-1")]


def test_table_has_the_layout_of_the_paper(tmp_path):
    results = write_report(options(tmp_path), records(*METHODS))

    lines = (tmp_path / "table3.md").read_text().splitlines()
    assert lines[0] == "|  | GrabCut NoC@90 | GrabCut NoC@95 | DAVIS NoC@90 | DAVIS NoC@95 |"
    assert [line.split(" | ")[0] for line in lines[2:]] == ["| StdInfer", "| CFR-1"]
    with (tmp_path / "table3.csv").open() as file:
        rows = list(csv.reader(file))
    expected = {(r.dataset, r.method.scheme): r.noc[0.95].mean for r in results}
    assert float(rows[2][2]) == pytest.approx(expected["GrabCut", "cfr-1"], abs=0.005)
    assert float(rows[1][4]) == pytest.approx(expected["DAVIS", "std"], abs=0.005)


def test_missing_cells_are_dashes(tmp_path):
    missing = ("DAVIS", "std")
    some = [r for r in records(*METHODS) if (r.subject.dataset, r.method.scheme) != missing]
    write_report(options(tmp_path), some)

    row = (tmp_path / "table3.md").read_text().splitlines()[2]
    assert row.endswith("| - | - |")


def test_report_compares_with_standard_inference(tmp_path):
    write_report(options(tmp_path), records(*METHODS))

    text = (tmp_path / "report.md").read_text()
    gain = text.split("## Against standard inference")[1].split("##")[0]
    assert "| GrabCut | CFR-1 |" in gain
    assert "StdInfer" not in gain
    assert "| GrabCut | small | StdInfer | 6 |" in text


@pytest.mark.parametrize("method", METHODS, ids=["std alone", "no std"])
def test_what_cannot_be_compared_has_no_section(tmp_path, method):
    write_report(options(tmp_path), records(method))

    text = (tmp_path / "report.md").read_text()
    assert "Against standard inference" not in text
    assert "## By size" in text


def test_files_are_the_same_every_time(tmp_path):
    for out in ("a", "b"):
        write_report(options(tmp_path / out), records(*METHODS))

    names = [
        path.relative_to(tmp_path / "a")
        for path in (tmp_path / "a").rglob("*")
        if path.is_file() and path.suffix != ".parquet"
    ]
    assert len(names) > 10
    for name in names:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes(), name


def test_parquet_holds_what_the_csv_holds(tmp_path):
    write_report(options(tmp_path), records(*METHODS))

    table = pyarrow.parquet.read_table(tmp_path / "objects.parquet").to_pylist()
    with (tmp_path / "objects.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [{name: str(value) for name, value in row.items()} for row in table] == rows


def test_summary_is_plain_json_with_intervals(tmp_path):
    write_report(options(tmp_path), records(*METHODS))

    content = json.loads((tmp_path / "summary.json").read_text())
    first = content["results"][0]
    assert first["dataset"] == "GrabCut"
    assert set(first["noc"]) == {"80", "85", "90", "95"}
    assert first["noc"]["90"]["low"] <= first["noc"]["90"]["mean"] <= first["noc"]["90"]["high"]
    assert first["by_size"]["small"]["objects"] == 6
    assert len(first["curve"]) == 5


def test_titles_say_no_more_than_is_needed():
    two_models = [Method(name, "paper", "std") for name in ("a", "b")]
    two_presets = [Method("a", name, "a-cfr-4") for name in ("paper", "interactive")]

    assert list(method_titles(METHODS).values()) == ["StdInfer", "CFR-1"]
    assert list(method_titles(two_models).values()) == ["a StdInfer", "b StdInfer"]
    assert list(method_titles(two_presets).values()) == ["paper A-CFR-4", "interactive A-CFR-4"]
    assert scheme_title("preset") == "as preset"


def test_table_in_markdown():
    assert markdown([["a", "b"], ["1", "2"]]) == "| a | b |\n|---|---|\n| 1 | 2 |\n"


def test_worst_are_those_with_most_clicks_then_least_iou():
    found = records(METHODS[0], datasets=("set",))
    good = record_of(METHODS[0], found[0].subject, [0.97])

    worst = worst_of([good, *found], 3)

    assert good not in worst
    assert [r.ious[-1] for r in worst] == sorted(r.ious[-1] for r in found)[:3]


def test_page_of_worst_cases_shows_truth_mask_and_clicks(tmp_path):
    picture, labels = blobs(1)
    truth, image = (labels == 1).astype(np.int8), ImageSource.of(picture)
    predictor = Predictor(zoo.load(TINY_MODEL), TINY_SETTINGS, device="cpu")
    done = simulate(predictor, image, truth, RobotUser(), Protocol(max_clicks=3))
    subject = Subject("blobs", "1.png", "1", 0, int(truth.sum()), image.shape)
    record = Record.of(METHODS[0], subject, done)

    case = case_of(record, image, truth, predictor)
    write_page([case] * 5, "worst", tmp_path / "page.png")

    assert case.picture.shape[:2] == case.truth.shape == case.mask.shape == case.window.shape
    union = np.count_nonzero(case.truth | case.mask)
    assert np.count_nonzero(case.truth & case.mask) / union == pytest.approx(done[-1].iou)
    page = imread(tmp_path / "page.png")[..., :3]
    green = (page == np.array([0, 1, 0])).all(axis=2)
    assert page.shape[0] > page.shape[1] / 2
    assert np.count_nonzero(green) > 200
