"""What goes into the network and what comes back, against recorded windows, clicks and masks."""

import numpy as np
import pytest
import torch

from napari_cfr_icl.engine import Click, Clicks, Patch, Settings, Window
from napari_cfr_icl.engine.passes import Passes
from napari_cfr_icl.engine.rendering import Rendering
from napari_cfr_icl.engine.settings import Zoom
from napari_cfr_icl.engine.source import ImageSource


class Recorder:
    """In the network's place: keeps what it is given, answers with prepared probabilities."""

    device = torch.device("cpu")

    def __init__(self, answer=None):
        self.answer = answer

    def nearest_size(self, size):
        return size

    def __call__(self, image, previous, points):
        self.image, self.previous, self.points = image, previous, points
        if self.answer is None:
            return previous
        return torch.logit(torch.from_numpy(self.answer)).expand(len(image), -1, -1, -1)


@pytest.fixture(scope="module")
def arrays(golden):
    with np.load(golden / "transforms.npz") as stored:
        return dict(stored)


def _unchanged(image):
    """A source whose pixels are in 0..1 already. `image`: (1, 4, rows, columns)."""
    return ImageSource(image[0, :3].transpose(1, 2, 0), Rendering.rgb(0, 1))


def _drawn(points):
    rows = points[0].numpy()
    return rows[rows[:, 2] >= 0]


@pytest.mark.parametrize(
    ("prefix", "zoom"),
    [
        ("zoom", Zoom(target=(64, 64), skip_clicks=-1, min_side=40)),
        ("zoomr", Zoom(target=50, skip_clicks=1, min_side=40)),
    ],
    ids=["fixed size", "longest side"],
)
def test_windows_in_and_masks_out(arrays, prefix, zoom):
    whole = arrays["zoom_input"]
    image, mask = _unchanged(whole), Patch.from_full(np.ascontiguousarray(whole[0, 3]))
    clicks, window, seen = Clicks(), None, None
    for number, (row, col, sign) in enumerate(arrays["zoom_clicks_seq"]):
        clicks = clicks.added(Click(int(row), int(col), bool(sign)))
        network = Recorder(arrays[f"{prefix}{number}_netprob"])
        passes = Passes(network, Settings(zoom=zoom), image, clicks)
        passes.window, passes.seen = window, seen
        result = passes.run(mask)
        window, seen = passes.window, passes.seen
        fed = torch.cat([network.image, network.previous], 1).numpy()
        np.testing.assert_allclose(fed, arrays[f"{prefix}{number}_image"], atol=1e-6)
        roi = arrays[f"{prefix}{number}_roi"]
        assert _roi(window) == (None if roi[0] < 0 else roi.tolist())
        drawn = _drawn(network.points)
        drawn = drawn[np.argsort(drawn[:, 2]), :2]
        np.testing.assert_allclose(drawn, arrays[f"{prefix}{number}_clicks"], atol=1e-5)
        expected = arrays[f"{prefix}{number}_inv"][0, 0]
        np.testing.assert_allclose(result.full(), expected, atol=1e-6)


def test_an_image_over_the_limit_is_shrunk_as_a_whole(arrays):
    network = Recorder()
    clicks = Clicks(Click(int(r), int(c), bool(s)) for r, c, s in arrays["zoom_clicks_seq"])
    whole = arrays["zoom_input"]
    passes = Passes(network, Settings(zoom=None, limit_side=100), _unchanged(whole), clicks)
    passes.run(Patch.from_full(np.ascontiguousarray(whole[0, 3])))
    fed = torch.cat([network.image, network.previous], 1).numpy()
    np.testing.assert_allclose(fed, arrays["limit_image"], atol=1e-6)
    drawn = _drawn(network.points)
    drawn = drawn[np.argsort(drawn[:, 2]), :2]
    np.testing.assert_allclose(drawn, arrays["limit_clicks"], atol=1e-5)


def _roi(window):
    if window is None:
        return None
    return [window.top, window.bottom - 1, window.left, window.right - 1]


def test_the_mirror_image_gets_mirrored_clicks_and_its_answer_is_turned_back():
    class ClicksOnly(Recorder):
        """Answers with a bright pixel at every click."""

        def __call__(self, image, previous, points):
            super().__call__(image, previous, points)
            logits = torch.full((len(image), 1, *image.shape[2:]), -8.0)
            for sample, rows in zip(logits, points, strict=True):
                for row, col, order in rows:
                    if order >= 0:
                        sample[0, int(row), int(col)] = 8
            return logits

    network = ClicksOnly()
    image = ImageSource(np.zeros((20, 30), np.uint8))
    clicks = Clicks([Click(3, 7), Click(11, 29), Click(0, 0, positive=False)])
    mask = Passes(network, Settings(zoom=None, flip=True), image, clicks).run(None)
    assert network.points[1, :, 1].tolist() == [22, 0, 29, -1]
    assert np.argwhere(mask.values > 0.5).tolist() == [[0, 0], [3, 7], [11, 29]]


@pytest.mark.parametrize("turned", [1, -1], ids=["as it is", "turned over"])
def test_a_read_only_mask_is_fed_back(turned):
    mask = np.zeros((20, 30), np.float32)
    mask[4:9, 5:9] = 0.75
    mask.flags.writeable = False
    mask = mask[::turned]
    network = Recorder()
    image = ImageSource(np.zeros((20, 30), np.uint8))
    Passes(network, Settings(zoom=None), image, Clicks()).run(Patch.from_full(mask))
    np.testing.assert_array_equal(network.previous[0, 0], mask)


def test_the_same_window_is_read_once():
    reads = []

    class Counted:
        shape = (600, 800)

        def __getitem__(self, index):
            reads.append(index)
            return np.zeros((600, 800), np.uint8)[index]

    image = ImageSource(Counted(), Rendering.grey())
    passes = Passes(Recorder(), Settings(zoom=None), image, Clicks([Click(5, 5)]))
    passes.run(passes.run(None))
    assert len(reads) == 1


def test_probabilities_fill_the_window_in_image_resolution():
    values = np.zeros((64, 64), np.float32)
    values[:, 32:] = 1
    image = ImageSource(np.zeros((4000, 4000), np.uint8))
    zoom = Zoom(target=64, first_side=640)
    network = Recorder(np.clip(values, 0.01, 0.99)[None, None])
    passes = Passes(network, Settings(zoom=zoom), image, Clicks([Click(2000, 2000)]))
    passes.view = Window(1680, 1680, 640, 640)
    mask = passes.run(None).threshold(0.5)
    assert network.image.shape == (1, 3, 64, 64)
    assert mask.bounds() == Window(1680, 2000, 640, 320)
