from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile

from checkpoints import HRNET
from golden_models import randomised
from napari_cfr_icl import __version__, samples, zoo
from napari_cfr_icl._errors import OutputError
from napari_cfr_icl.cli.image_source import open_source
from napari_cfr_icl.cli.segmentation import write_results
from napari_cfr_icl.engine import Click, Clicks, Patch, Predictor, Settings
from napari_cfr_icl.engine.passes import Passes
from napari_cfr_icl.engine.prompts.gestures import Box, Lasso, Scribble
from napari_cfr_icl.engine.prompts.prompt import prompt_of
from napari_cfr_icl.engine.runtime.network import Network

NUCLEI = Path(samples.__file__).parent / "data" / "nuclei.tif"
TINY_SAM2 = {
    "family": "sam2",
    "width": 16,
    "stages": [1, 1, 2, 1],
    "num_heads": 1,
    "global_blocks": [3],
    "image_size": 128,
}
CLICKS = ["--click", "30,40,+", "--click", "5,5,-", "--click", "34,44,+"]
SAME_CLICKS = [Click(30, 40), Click(5, 5, positive=False), Click(34, 44)]


def answers(model, settings, image, clicks, previous=None):
    """The engine's own predictions, one for each click."""
    predictor = Predictor(model, settings, "cpu")
    predictions = []
    for count in range(1, len(clicks) + 1):
        previous = predictor.predict(image, clicks[:count], previous)
        predictions.append(previous)
    return predictions


def with_threshold(settings, pixels):
    refinement = replace(settings.refinement, threshold_pixels=pixels, threshold_fraction=0.0)
    return replace(settings, refinement=refinement)


def test_the_model_that_ships_gives_the_mask_that_the_engine_gives(run, tmp_path):
    out = tmp_path / "mask.tif"
    words = ["--click", "109,328,+", "--click", "93,210,-", "--device", "cpu"]
    result = run("segment", NUCLEI, *words, "--out", out)

    model = zoo.load(zoo.DEFAULT_MODEL)
    settings = replace(Settings.interactive(model), precision="float32")
    clicks = [Click(109, 328), Click(93, 210, positive=False)]
    *_, expected = answers(model, settings, samples.load("nuclei").image, clicks)
    mask = expected.mask().full()
    assert result.exit_code == 0
    assert result.stdout.startswith(f"{out}: {mask.sum()} pixels, from 2 clicks and ")
    np.testing.assert_array_equal(tifffile.imread(out), mask.astype(np.uint8))
    assert mask[109, 328]
    assert not mask[93, 210]


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        pytest.param(
            ["--inference", "a-cfr-3", "--threshold", "2"],
            lambda model: with_threshold(Settings.interactive(model).with_inference("a-cfr-3"), 2),
            id="interactive",
        ),
        pytest.param(
            ["--preset", "paper", "--inference", "cfr-2"],
            lambda model: Settings.paper(model).with_inference("cfr-2"),
            id="paper",
        ),
        pytest.param(
            ["--preset", "public-code", "--inference", "std"],
            lambda model: Settings.public_code(model).with_inference("std"),
            id="public-code",
        ),
    ],
)
def test_options_mean_what_they_mean_to_the_engine(
    run, image, small_model, tmp_path, words, wanted
):
    out, trace = tmp_path / "mask.tif", tmp_path / "trace.json"
    run("segment", image, *small_model, *CLICKS, *words, "--out", out, "--trace", trace)

    model = zoo.load(HRNET)
    settings = replace(wanted(model), precision="float32")
    expected = answers(model, settings, tifffile.imread(image), SAME_CLICKS)
    np.testing.assert_array_equal(tifffile.imread(out), expected[-1].mask().full())
    told = json.loads(trace.read_text())
    assert [len(click["passes"]) for click in told["clicks"]] == [e.passes for e in expected]
    assert [click["stopped"] for click in told["clicks"]] == [e.stopped for e in expected]
    for click, prediction in zip(told["clicks"], expected, strict=True):
        for step, wanted_step in zip(click["passes"], prediction.trace, strict=True):
            assert step["changed_pixels"] == wanted_step.changed_pixels
            assert step["threshold_pixels"] == wanted_step.threshold_pixels
            assert step["window"]["height"] == wanted_step.window.height


def test_the_trace_tells_what_is_needed_to_do_it_again(run, image, small_model, tmp_path):
    trace = tmp_path / "trace.json"
    words = ["--preset", "paper", "--inference", "a-cfr-2", "--threshold", "7"]
    out = tmp_path / "mask.tif"
    run("segment", image, *small_model, *CLICKS, *words, "--out", out, "--trace", trace)
    told = json.loads(trace.read_text())
    assert told["program"] == f"napari-cfr-icl {__version__}"
    assert (told["image"], told["shape"]) == (str(image), [64, 80])
    assert told["model"]["name"] == str(HRNET)
    assert told["model"]["sha256"] == zoo.file_kinds.file_sha256(HRNET)
    assert (told["preset"], told["inference"]) == ("paper", "a-cfr-2")
    assert told["settings"]["refinement"]["threshold_pixels"] == 7
    assert (told["device"], told["arithmetic"]) == ("cpu", "float32")
    assert told["clicks"][1]["click"] == {"row": 5.0, "col": 5.0, "positive": False}
    assert told["clicks"][-1]["object_pixels"] == tifffile.imread(out).sum()
    assert all(step["ms"] > 0 for click in told["clicks"] for step in click["passes"])


def test_a_mask_from_elsewhere_is_corrected(run, image, small_model, tmp_path):
    earlier = np.zeros((64, 80), np.uint8)
    earlier[20:40, 30:50] = 255
    tifffile.imwrite(tmp_path / "earlier.tif", earlier)
    out = tmp_path / "mask.tif"
    words = ["--previous", tmp_path / "earlier.tif", "--out", out]
    run("segment", image, *small_model, *CLICKS, *words)

    model = zoo.load(HRNET)
    settings = replace(Settings.interactive(model), precision="float32")
    pixels = tifffile.imread(image)
    *_, expected = answers(model, settings, pixels, SAME_CLICKS, earlier > 0)
    *_, without = answers(model, settings, pixels, SAME_CLICKS)
    np.testing.assert_array_equal(tifffile.imread(out), expected.mask().full())
    assert (expected.probabilities.full() != without.probabilities.full()).any()


def test_a_mask_is_refined_without_a_click(run, image, small_model, tmp_path):
    earlier = np.zeros((64, 80), bool)
    earlier[20:40, 30:50] = True
    np.save(tmp_path / "earlier.npy", earlier)
    out, trace = tmp_path / "mask.tif", tmp_path / "trace.json"
    words = ["--previous", tmp_path / "earlier.npy", "--out", out, "--trace", trace]
    result = run("segment", image, *small_model, *words)

    model = zoo.load(HRNET)
    settings = replace(Settings.interactive(model), precision="float32")
    expected = Predictor(model, settings, "cpu").predict(tifffile.imread(image), [], earlier)
    np.testing.assert_array_equal(tifffile.imread(out), expected.mask().full())
    assert "from 0 clicks and" in result.stdout
    assert json.loads(trace.read_text())["clicks"][0]["click"] is None


def test_the_plane_of_a_stack(run, image, small_model, tmp_path):
    disc = tifffile.imread(image)
    stack = np.stack([np.full_like(disc, 40), disc])
    tifffile.imwrite(tmp_path / "stack.tif", stack, metadata={"axes": "ZYX"})
    for file, words in ((image, []), (tmp_path / "stack.tif", ["--plane", "1"])):
        out = tmp_path / f"mask_of_{file.name}"
        assert run("segment", file, *small_model, *CLICKS, *words, "--out", out).exit_code == 0
    one, other = (tifffile.imread(tmp_path / f"mask_of_{n}.tif") for n in ("disc", "stack"))
    np.testing.assert_array_equal(one, other)


def test_an_image_of_nothing_but_nan_is_black(run, small_model, tmp_path):
    np.save(tmp_path / "nan.npy", np.full((64, 80), np.nan, np.float32))
    np.save(tmp_path / "black.npy", np.zeros((64, 80), np.uint8))
    masks = []
    for name in ("nan", "black"):
        out = tmp_path / f"{name}.tif"
        result = run("segment", tmp_path / f"{name}.npy", *small_model, *CLICKS, "--out", out)
        assert (result.exit_code, result.stderr) == (0, "")
        masks.append(tifffile.imread(out))
    np.testing.assert_array_equal(*masks)


def test_the_mask_replaces_an_older_one_and_nothing_else_is_left(run, image, small_model, tmp_path):
    out = tmp_path / "mask.tif"
    out.write_bytes(b"from earlier")
    run("segment", image, *small_model, *CLICKS, "--out", out)
    with tifffile.TiffFile(out) as tiff:
        page = tiff.pages.first
        assert (page.dtype, page.shape, page.compression.name) == (
            np.uint8,
            (64, 80),
            "ADOBE_DEFLATE",
        )
        assert set(np.unique(page.asarray())) <= {0, 1}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["disc.tif", "mask.tif"]


def test_in_a_process_of_its_own(image, small_model, tmp_path):
    out = tmp_path / "mask.tif"
    program = Path(sys.executable).with_name("napari-cfr-icl")
    words = ["segment", image, *small_model, *CLICKS, "--out", out]
    ended = subprocess.run([program, *words], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.startswith(f"{out}: {tifffile.imread(out).sum()} pixels, from 3 clicks")


def test_one_is_not_many(run, image, small_model, tmp_path):
    words = ["--click", "30,40,+", "--inference", "std", "--out", tmp_path / "mask.tif"]
    assert "from 1 click and 1 pass in" in run("segment", image, *small_model, *words).stdout


def test_the_place_that_cannot_be_written_is_named(tmp_path):
    out, trace = tmp_path / "masks" / "m.tif", tmp_path / "traces" / "t.json"
    out.mkdir(parents=True)  # a folder is in the way when the mask gets its name
    trace.parent.mkdir()
    with pytest.raises(OutputError, match=r"into .*masks"):
        write_results(out, Patch.from_full(np.ones((3, 4), bool)), trace, {})


@pytest.mark.parametrize("gesture", ["box", "scribble", "lasso"])
def test_a_gesture_is_one_step_and_clicks_correct_it(run, tmp_path, gesture):
    lasso = tmp_path / "lasso.csv"
    lasso.write_text(
        "index,shape-type,vertex-index,axis-0,axis-1\n0,polygon,0,90,300\n"
        "0,polygon,1,90,350\n0,polygon,2,130,350\n0,polygon,3,130,300\n"
    )
    given, drawn = {
        "box": ("90,300,130,350", Box(90, 300, 130, 350)),
        "scribble": ("100,320 109,328 112,335 +", Scribble(((100, 320), (109, 328), (112, 335)))),
        "lasso": (lasso, Lasso(((90, 300), (90, 350), (130, 350), (130, 300)))),
    }[gesture]
    out, trace = tmp_path / "mask.tif", tmp_path / "trace.json"
    words = ["--model", HRNET, "--device", "cpu", "--click", "20,20,-"]
    result = run("segment", NUCLEI, f"--{gesture}", given, *words, "--out", out, "--trace", trace)

    assert result.exit_code == 0, result.stderr
    image, model = samples.load("nuclei").image, zoo.load(str(HRNET))
    settings = replace(Settings.interactive(model), precision="float32")
    predictor, prompt = Predictor(model, settings, "cpu"), prompt_of(drawn, image.shape[:2])
    first = predictor.predict(image, prompt.clicks, prompt.previous, prompt.view)
    click = Click(20, 20, positive=False)
    expected = predictor.predict(image, prompt.clicks.added(click), first).mask().full()
    np.testing.assert_array_equal(tifffile.imread(out), expected.astype(np.uint8))
    assert f"from a {gesture}, 1 click and " in result.stdout
    story = json.loads(trace.read_text())
    assert story["gesture"]["kind"] == gesture
    assert [step["click"] is None for step in story["clicks"]] == [True, False]


def test_a_model_that_was_trained_with_boxes_gets_the_box_itself(run, tmp_path):
    model, file, out = randomised(TINY_SAM2, 6), tmp_path / "sam.safetensors", tmp_path / "mask.tif"
    zoo.save(model, file, zoo.ModelInfo("sam", model.architecture))
    pixels = np.random.default_rng(0).random((64, 64)).astype(np.float32)
    np.save(tmp_path / "image.npy", pixels)
    words = ["--model", file, "--preset", "whole-image", "--inference", "std", "--device", "cpu"]
    result = run("segment", tmp_path / "image.npy", "--box", "8,12,40,50", *words, "--out", out)

    assert result.exit_code == 0, result.stderr
    settings = Settings.whole_image(model)
    passes = Passes(
        Network(model.choosing(settings.masks), "cpu", "float32"),
        settings,
        open_source(tmp_path / "image.npy", None, None, None),
        Clicks(),
    )
    passes.box = Box(8, 12, 40, 50)
    expected = passes.run(None).threshold(0.5).full()
    np.testing.assert_array_equal(tifffile.imread(out), expected)
    assert 0 < expected.sum() < expected.size


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["--box", "1,2,3"], "'1,2,3' is no box: write TOP,LEFT,BOTTOM,RIGHT"),
        (["--scribble", "1,2 3"], "is no scribble: write ROW,COL for each point"),
        (["--lasso", "nowhere.csv"], "The lasso nowhere.csv cannot be read"),
        (["--box", "1,2,3,4", "--scribble", "1,2"], "Give one of --box, --scribble and --lasso"),
        (["--box", "9000,2,9010,4"], "holds no pixel of the image"),
        (["--box", "1,2,30,40", "--previous", NUCLEI], "leave --previous out"),
    ],
)
def test_a_gesture_that_cannot_be_used_is_refused(run, tmp_path, words, why):
    result = run("segment", NUCLEI, *words, "--model", HRNET, "--out", tmp_path / "mask.tif")
    assert result.exit_code == 2
    assert why in " ".join(result.stderr.split())
    assert not list(tmp_path.iterdir())
