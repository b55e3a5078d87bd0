"""What training and searches read of layers is what the model is given of them while clicking."""

from __future__ import annotations

import numpy as np
import pytest
from napari.components import ViewerModel

from napari_cfr_icl._errors import MaskError
from napari_cfr_icl.engine.windows import Window
from napari_cfr_icl.gui.layers.channels import channels_of
from napari_cfr_icl.gui.layers.layer_files import LayerFiles
from napari_cfr_icl.gui.layers.planes import LayerPlane
from napari_cfr_icl.gui.layers.scenes import scene_of
from napari_cfr_icl.training.data.collection import open_collection
from napari_cfr_icl.training.data.image_cache import rendered

SHAPE = (6, 40, 50)
LABELLED = (1, 2, 3, 5)


@pytest.fixture
def viewer():
    """Two channels of a stack with contrasts, gammas and colours of their own, and labels."""
    viewer = ViewerModel()
    rng = np.random.default_rng(0)
    viewer.add_image(
        rng.integers(0, 4000, (2, *SHAPE), np.uint16),
        channel_axis=0,
        name=["nuclei", "membranes"],
        colormap=["cyan", "magenta"],
        contrast_limits=[(100, 3000), (500, 3500)],
        gamma=[0.5, 1.5],
    )
    ids = np.zeros(SHAPE, np.int32)
    for index in LABELLED:
        ids[index, 5:20, 5 + index : 25] = 70_000 + index
    viewer.add_labels(ids, name="ids")
    return viewer


def given(viewer, image, index):
    """What the predictor is given of a plane, uint8."""
    plane = LayerPlane((1, 2), (index, 0, 0), SHAPE[1:])
    source = scene_of(image, plane, channels_of(image, viewer.layers)).source
    return np.rint(255 * source.read(Window.whole(SHAPE[1:])))


@pytest.mark.parametrize("seen_alone", [False, True], ids=["mixed channels", "one channel"])
@pytest.mark.parametrize("held_out", [0.0, 0.2])
def test_training_sees_what_the_predictor_is_given(viewer, tmp_path, seen_alone, held_out):
    image, labels = viewer.layers["nuclei"], viewer.layers["ids"]
    viewer.layers["membranes"].visible = not seen_alone
    files = LayerFiles.of(image, labels, viewer.layers)
    examples = open_collection(files.write(tmp_path / files.name, held_out)).examples
    assert [example.split for example in examples] == (
        ["train"] * 3 + ["val"] if held_out else [None] * 4
    )
    assert [example.key.rpartition("/")[2] for example in examples] == [
        f"nuclei-{index}.tif" for index in LABELLED
    ]
    for example, index in zip(examples, LABELLED, strict=True):
        np.testing.assert_array_equal(rendered(example.image()), given(viewer, image, index))
        np.testing.assert_array_equal(example.labels(), labels.data[index])
    if not held_out:
        assert {example.group for example in examples} == {"nuclei"}


def test_layers_without_objects_or_of_other_sizes_are_refused(viewer, tmp_path):
    image = viewer.layers["nuclei"]
    empty = viewer.add_labels(np.zeros(SHAPE, np.uint8))
    with pytest.raises(MaskError, match="Nothing is labelled on nuclei"):
        LayerFiles.of(image, empty, viewer.layers).write(tmp_path / "a")
    assert not list(tmp_path.iterdir())
    small = viewer.add_labels(np.zeros((3, 3), np.uint8), name="small")
    with pytest.raises(MaskError, match="is 6 x 40 x 50 pixels, the labels small 3 x 3"):
        LayerFiles.of(image, small, viewer.layers)
