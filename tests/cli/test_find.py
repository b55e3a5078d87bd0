import numpy as np
import pytest
import tifffile

from napari_cfr_icl import cli, samples
from napari_cfr_icl.engine.finding.proposals import iou
from napari_cfr_icl.images.opening import open_image


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
    found = sum(any(iou(other, mask) > 0.5 for mask in new) for other in others)
    assert found >= 0.7 * len(others)
    wrong = sum(
        not any(iou(truth == label, mask) > 0.5 for label in np.unique(truth[mask])) for mask in new
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
