import subprocess
import sys

import numpy as np
import pytest
import tifffile

from napari_cfr_icl import cli, samples
from napari_cfr_icl.engine import Patch
from napari_cfr_icl.engine.windows import iou
from napari_cfr_icl.images.opening import open_image


def overlap(one, other):
    return iou(Patch.from_full(one), Patch.from_full(other))


def test_the_other_nuclei_of_the_sample_are_found(tmp_path, capsys):
    sample = samples.load("nuclei")
    truth = np.asarray(sample.labels)[:256, :256]
    examples = np.where(np.isin(truth, whole_ids(truth)[:3]), truth, 0)
    facts = {"resolution": (4, 4), "metadata": {"unit": "um"}}
    tifffile.imwrite(
        tmp_path / "image.tif", np.asarray(sample.image)[:256, :256], imagej=True, **facts
    )
    tifffile.imwrite(tmp_path / "examples.tif", examples)
    out = tmp_path / "all.tif"
    cli.main(
        [
            "find",
            str(tmp_path / "image.tif"),
            "--examples",
            str(tmp_path / "examples.tif"),
            "--out",
            str(out),
        ]
    )
    assert "3 examples" in capsys.readouterr().out
    labels = tifffile.imread(out)
    assert open_image(out).sizes["X"] == (pytest.approx(0.25), "µm")
    assert (labels[examples > 0] == examples[examples > 0]).all()
    others = [truth == label for label in whole_ids(truth)[3:]]
    new = [labels == label for label in np.unique(labels[labels > examples.max()])]
    found = sum(any(overlap(other, mask) > 0.5 for mask in new) for other in others)
    assert found >= 0.7 * len(others)
    wrong = sum(
        not any(overlap(truth == label, mask) > 0.5 for label in np.unique(truth[mask]))
        for mask in new
    )
    assert wrong <= 0.2 * len(new)


def whole_ids(truth):
    """Ids of the objects that the border does not cut."""
    inner = truth.copy()
    cut = np.unique(np.concatenate([truth[0], truth[-1], truth[:, 0], truth[:, -1]]))
    return [label for label in np.unique(inner) if label not in cut and label]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--region", "0,0,10"], "TOP,LEFT,HEIGHT,WIDTH"),
        (["--region", "900,900,10,10"], "outside the image"),
        (["--out", "{tmp}/image.tif"], "is the image itself"),
        (["--examples", "{tmp}/small.tif"], "64 x 64"),
        (["--examples", "{tmp}/empty.tif"], "click one first"),
        (["--model", "cfr-icl-hrnet18"], "looks once"),
    ],
)
def test_what_cannot_be_used_gets_a_sentence(tmp_path, capsys, words, sentence):
    tifffile.imwrite(tmp_path / "image.tif", np.zeros((64, 64), np.uint8))
    labels = np.zeros((64, 64), np.uint8)
    tifffile.imwrite(tmp_path / "empty.tif", labels)
    labels[10:20, 10:20] = 1
    tifffile.imwrite(tmp_path / "labels.tif", labels)
    tifffile.imwrite(tmp_path / "small.tif", labels[:32])
    given = {"--examples": "{tmp}/labels.tif", "--out": "{tmp}/out.tif"}
    given |= dict([words])
    flat = [word.replace("{tmp}", str(tmp_path)) for pair in given.items() for word in pair]
    with pytest.raises(SystemExit) as stopped:
        cli.main(["find", str(tmp_path / "image.tif"), *flat])
    assert stopped.value.code == 2
    assert sentence in capsys.readouterr().err
    assert not (tmp_path / "out.tif").exists()


def disks(*places, shape=(90, 120), radius=8):
    rows, cols = np.indices(shape)
    labels = np.zeros(shape, np.uint8)
    for label, (row, col) in enumerate(places, start=1):
        labels[(rows - row) ** 2 + (cols - col) ** 2 < radius**2] = label
    noise = np.random.default_rng(len(places)).normal(20, 3, shape)
    return np.clip(noise + 150 * (labels > 0), 0, 255).astype(np.uint8), labels


def run_find(*words):
    cli.main(["find", *map(str, words)])


def count_met(labels, truth):
    """Objects of the truth that the labels have, each as one object."""
    return sum(
        any(overlap(truth == one, labels == label) > 0.6 for label in np.unique(labels[labels > 0]))
        for one in range(1, truth.max() + 1)
    )


@pytest.fixture
def folder(tmp_path):
    """Two pictures, the first with an example; and a file that is none."""
    images, examples = tmp_path / "images", tmp_path / "examples"
    truths = []
    for name, places in ("a", [(20, 20), (25, 80), (60, 50)]), ("b", [(30, 30), (60, 90)]):
        image, truth = disks(*places)
        images.mkdir(exist_ok=True)
        tifffile.imwrite(images / f"{name}.tif", image)
        truths.append(truth)
    (images / "c.png").write_bytes(b"no picture")
    examples.mkdir()
    tifffile.imwrite(examples / "a_labels.tif", np.where(truths[0] == 1, 7, 0).astype(np.uint8))
    return tmp_path, truths


def test_the_examples_of_one_picture_teach_for_a_folder(folder, capsys):
    place, truths = folder
    run_find(place / "images", "--examples", place / "examples", "--out", place / "out")
    said = capsys.readouterr().out
    found = [tifffile.imread(place / "out" / f"{name}_labels.tif") for name in "ab"]
    assert [count_met(labels, truth) for labels, truth in zip(found, truths, strict=True)] == [3, 2]
    assert (found[0][truths[0] == 1] == 7).all()
    assert "1 examples, 2 objects found" in said
    assert "c.png: skipped" in said


def test_a_folder_never_writes_over_its_examples(folder, capsys):
    place, _ = folder
    before = (place / "examples" / "a_labels.tif").read_bytes()
    run_find(place / "images", "--examples", place / "examples", "--out", place / "examples")
    assert (place / "examples" / "a_labels.tif").read_bytes() == before
    assert "holds its examples" in capsys.readouterr().out


def test_labels_for_no_picture_of_a_folder_get_a_sentence(folder, capsys):
    place, _ = folder
    (place / "examples" / "a_labels.tif").rename(place / "examples" / "z_labels.tif")
    with pytest.raises(SystemExit):
        run_find(place / "images", "--examples", place / "examples", "--out", place / "out")
    assert "has no labels for a picture" in capsys.readouterr().err


def test_a_stack_is_searched_and_joined(tmp_path, capsys):
    planes = [disks((20, 20), (25, 80)), disks((21, 22), (25, 82), (65, 50)), disks((66, 52))]
    tifffile.imwrite(
        tmp_path / "s.tif", np.stack([image for image, _ in planes]), photometric="minisblack"
    )
    examples = np.zeros((3, 90, 120), np.uint8)
    examples[0][planes[0][1] == 1] = 4
    tifffile.imwrite(tmp_path / "e.tif", examples, photometric="minisblack")
    run_find(tmp_path / "s.tif", "--examples", tmp_path / "e.tif", "--out", tmp_path / "o.tif")
    labels = tifffile.imread(tmp_path / "o.tif")
    ids = [
        [int(labels[plane][place]) for place in ((21, 21), (25, 81), (65, 51))]
        for plane in range(3)
    ]
    assert ids[0][0] == ids[1][0] == 4
    assert ids[0][1] == ids[1][1] > 0
    assert ids[1][2] == ids[2][2] > 0
    assert len({*ids[1]}) == 3
    assert ids[2][:2] == [0, 0]
    assert "3 objects on 3 planes" in capsys.readouterr().out


def test_a_picture_of_several_is_named(tmp_path):
    image, truth = disks((20, 20), (25, 80), (60, 50))
    with tifffile.TiffWriter(tmp_path / "two.tif") as file:
        file.write(np.zeros((100, 130), np.uint8), metadata=None)
        file.write(image, metadata=None)
    tifffile.imwrite(tmp_path / "e.tif", np.where(truth == 1, 1, 0).astype(np.uint8))
    words = ["--examples", tmp_path / "e.tif", "--out", tmp_path / "o.tif", "--series", "1"]
    run_find(tmp_path / "two.tif", *words)
    assert count_met(tifffile.imread(tmp_path / "o.tif"), truth) == 3


@pytest.mark.slow
def test_two_processes_share_a_folder(folder):
    place, truths = folder
    launcher = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")
    words = ["find", place / "images", "--examples", place / "examples", "--out", place / "out"]
    command = [sys.executable, *launcher, "-m", "napari_cfr_icl", *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found = [tifffile.imread(place / "out" / f"{name}_labels.tif") for name in "ab"]
    assert [count_met(labels, truth) for labels, truth in zip(found, truths, strict=True)] == [3, 2]
    lines = [line for line in done.stdout.splitlines() if "found" in line or "skipped" in line]
    assert len(lines) == 3
