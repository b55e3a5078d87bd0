from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from PIL import Image

from blob_dataset import TINY_MODEL, blobs, write_blobs, write_settings
from command_line import run
from napari_cfr_icl._errors import InputError
from napari_cfr_icl.evaluation.protocol.options import DatasetChoice, EvaluateOptions, Protocol
from napari_cfr_icl.evaluation.protocol.skipped import skipped_sentence
from napari_cfr_icl.evaluation.run import evaluate
from napari_cfr_icl.evaluation.tuning.options import TuneOptions
from napari_cfr_icl.evaluation.tuning.policies import Grid
from napari_cfr_icl.evaluation.tuning.tune import tune

TABLES = ("objects.csv", "summary.json", "table3.md", "report.md")


@pytest.fixture
def data(tmp_path):
    return write_blobs(tmp_path / "blobs", count=1)


@pytest.fixture
def options(data, tmp_path):
    return EvaluateOptions(
        (DatasetChoice(data),),
        tmp_path / "out",
        (str(TINY_MODEL),),
        ("std", "cfr-1"),
        (str(write_settings(tmp_path / "tiny.json")),),
        Protocol(max_clicks=2),
        device="cpu",
        worst=2,
    )


def cut(path):
    """Leave half of a file, as a copy that was interrupted does."""
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    return whole


def done(records):
    return {(r.method.scheme, r.subject.picture, r.ious, r.clicks) for r in records}


def test_others_are_evaluated_as_if_nothing_was_wrong(data, options, tmp_path):
    whole = evaluate(options)
    cut(data / "images" / "1.png")
    (data / "labels" / "2.png").write_bytes(b"nothing of the kind")
    heard = []

    some = evaluate(replaced(options, tmp_path / "some"), on_skipped=heard.append)

    assert done(some) == {item for item in done(whole) if item[1] in ("0.png", "3.png")}
    assert [item.picture for item in heard] == ["1.png", "2.png"]
    report = (tmp_path / "some" / "report.md").read_text()
    assert "## Left out" in report
    assert "* 1.png of blobs: " in report
    assert "cannot be read" in report
    content = json.loads((tmp_path / "some" / "summary.json").read_text())
    assert [item["picture"] for item in content["left_out"]] == ["1.png", "2.png"]
    assert "## Left out" not in (options.out / "report.md").read_text()


def replaced(options, out):
    return EvaluateOptions(
        options.datasets, out, options.models, options.schemes, options.presets, options.protocol,
        device="cpu", worst=2,
    )  # fmt: skip


@pytest.mark.parametrize("folder", ["images", "labels"])
def test_a_picture_that_was_mended_joins_the_run(data, options, tmp_path, folder):
    expected = evaluate(replaced(options, tmp_path / "whole"))
    whole = cut(data / folder / "1.png")
    evaluate(options)
    (data / folder / "1.png").write_bytes(whole)
    seen = []

    records = evaluate(options, seen.append)

    assert [step.result.subject.picture for step in seen] == ["1.png", "1.png"]
    assert done(records) == done(expected)
    for name in TABLES:
        assert (options.out / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_labels_of_another_size_leave_the_picture_out(data, options):
    Image.fromarray(blobs(2)[1][:-1]).save(data / "labels" / "2.png")
    heard = []

    records = evaluate(options, on_skipped=heard.append)

    assert {record.subject.picture for record in records} == {"0.png", "1.png", "3.png"}
    assert "72 x 96" in heard[0].why
    assert "71 x 96" in heard[0].why


def test_nothing_that_can_be_read_is_an_error(data, options):
    for path in (data / "images").iterdir():
        cut(path)

    with pytest.raises(InputError, match=r"4 were left out. The first: 0\.png of blobs\. "):
        evaluate(options)


def test_a_finished_run_is_reported_again_without_its_pictures(data, options):
    records = evaluate(options)
    for path in (data / "images").iterdir():
        path.unlink()

    with pytest.raises(InputError, match="There are no images"):
        evaluate(options)
    for number in range(4):
        (data / "images" / f"{number}.png").write_bytes(b"gone")
    assert evaluate(options) == records


def test_a_search_leaves_pictures_out_too(data, options):
    cut(data / "images" / "1.png")
    heard = []
    search = TuneOptions(
        options.datasets, options.out, str(TINY_MODEL), preset=options.presets[0],
        grid=Grid((1,), (5,), (), (1,), (False,)), max_clicks=2, device="cpu",
    )  # fmt: skip

    assert tune(search, on_skipped=heard.append) is not None

    assert [item.picture for item in heard] == ["1.png"]
    assert "* 1.png of blobs: " in (options.out / "tune.md").read_text()
    content = json.loads((options.out / "tune.json").read_text())
    assert content["left_out"][0]["picture"] == "1.png"


def words(command, data, options, *more):
    return [
        command, str(data), "--model", str(TINY_MODEL), "--preset", options.presets[0], "--out",
        str(options.out), "--max-clicks", "2", "--device", "cpu", *more,
    ]  # fmt: skip


def test_the_screen_says_which_and_why(data, options):
    cut(data / "images" / "1.png")
    arguments = words("evaluate", data, options, "--inference", "std", "--worst", "0")

    result = run(*arguments)

    assert result.exit_code == 0
    assert "1.png of blobs is left out." in result.output
    assert skipped_sentence(1, options.out / "report.md") in result.output


def test_whoever_looks_on_hears_of_it_in_json(data, options):
    cut(data / "images" / "1.png")
    arguments = words("tune", data, options, "--max-steps", "1", "--json-progress")

    result = run(*arguments)

    heard = [json.loads(line) for line in result.stdout.splitlines()]
    (skipped,) = [line["left_out"] for line in heard if "left_out" in line]
    assert skipped["picture"] == "1.png"
    assert heard[-1] == {"finished": str(options.out)}


SCRIPT = """
import sys
from pathlib import Path
from napari_cfr_icl.evaluation.protocol.options import *
from napari_cfr_icl.evaluation.run import evaluate
data, out, model, preset = sys.argv[1:]
evaluate(
    EvaluateOptions((DatasetChoice(Path(data)),), Path(out), (model,), ("std", "cfr-1"), (preset,),
                    Protocol(max_clicks=2), device="cpu", worst=0),
)
"""


@pytest.mark.slow
def test_what_one_process_cannot_read_is_left_out_by_all(data, options, tmp_path):
    # with one object each, picture 1 is met by the second process alone
    cut(data / "images" / "1.png")
    script = tmp_path / "evaluate_blobs.py"
    script.write_text(SCRIPT)
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    for name, before in (("one", []), ("two", launcher)):
        command = [str(script), str(data), str(tmp_path / name), str(TINY_MODEL)]
        subprocess.run(
            [sys.executable, *before, *command, options.presets[0]],
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            check=True,
            timeout=300,
        )

    for name in TABLES:
        assert (tmp_path / "two" / name).read_bytes() == (tmp_path / "one" / name).read_bytes()
    assert "* 1.png of blobs: " in (tmp_path / "two" / "report.md").read_text()
