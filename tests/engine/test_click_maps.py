from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from napari_cfr_icl.engine.click_maps import disk_maps, distance_maps

GOLDEN = Path(__file__).parents[1] / "data" / "golden"
NOWHERE = (-1.0, -1.0, -1.0)


@pytest.fixture(scope="module")
def recorded():
    with np.load(GOLDEN / "disk_maps.npz") as arrays:
        return dict(arrays)


def _case(recorded, name):
    rows, cols = recorded[f"{name}__size"]
    return torch.from_numpy(recorded[f"{name}__points"]), (int(rows), int(cols))


@pytest.mark.parametrize(
    ("name", "radius"),
    [
        ("float_basic", 5.0),
        ("float_outside", 5.0),
        ("int64_points", 5.0),
        ("no_points", 5.0),
        ("radius3", 3.0),
        ("torch_same_as_cython_input", 5.0),
    ],
)
def test_disks_are_those_of_the_public_code(recorded, name, radius):
    points, size = _case(recorded, name)
    shape = recorded[f"{name}__shape"]
    expected = np.unpackbits(recorded[f"{name}__packed"], count=np.prod(shape)).reshape(shape)

    drawn = disk_maps(points, size, radius)

    assert drawn.dtype == torch.float32
    np.testing.assert_array_equal(drawn.numpy(), expected)


@pytest.mark.parametrize(("name", "radius"), [("tanh_r260", 260.0), ("tanh_r5", 5.0)])
def test_distances_are_those_of_the_public_code(recorded, name, radius):
    points, size = _case(recorded, name)

    drawn = distance_maps(points, size, radius)

    np.testing.assert_allclose(drawn.numpy(), recorded[f"{name}__out"], rtol=0, atol=1e-6)


def test_a_click_is_a_disk_of_81_pixels_on_the_map_of_its_sign():
    points = torch.tensor([[(20.0, 30.0, 0.0), (10.0, 8.0, 1.0)]])

    positive, negative = disk_maps(points, (40, 50))[0]

    assert positive.sum() == negative.sum() == 81
    assert positive[20, 35] == positive[15, 30] == 1
    assert positive[20, 36] == positive[16, 26] == 0
    assert negative[10, 8] == 1
    assert positive[10, 8] == 0


@pytest.mark.parametrize(
    ("click", "pixels"),
    [
        pytest.param((-3.0, 20.0), 9 + 7 + 1, id="over the upper border: three rows left"),
        pytest.param((20.0, -5.0), 1, id="touches the left border"),
        pytest.param((20.0, -5.1), 0, id="just off the left border"),
        pytest.param((-0.2, -0.3), 0, id="both coordinates negative: no click"),
        pytest.param((39.0, 49.0), 26, id="in the last corner: a quarter"),
        pytest.param((1e9, 20.0), 0, id="far away"),
    ],
)
def test_a_click_near_or_beyond_the_border_is_cut_off(click, pixels):
    points = torch.tensor([[(*click, 0.0), NOWHERE]])

    positive, negative = disk_maps(points, (40, 50))[0]

    assert int(positive.sum()) == pixels
    assert not negative.any()


@pytest.mark.parametrize("radius", [1.0, 3.5, 5.0, 7.25])
def test_drawing_near_a_click_equals_asking_every_pixel(radius):
    random = np.random.default_rng(3)
    points = np.concatenate([random.uniform(-9, 60, (2, 12, 2)), np.zeros((2, 12, 1))], axis=-1)
    points = torch.from_numpy(points.astype(np.float32))
    row, col = torch.meshgrid(torch.arange(45.0), torch.arange(52.0), indexing="ij")
    squared = (row - points[..., 0, None, None]) ** 2 + (col - points[..., 1, None, None]) ** 2
    squared[points[..., :2].amax(-1) < 0] = torch.inf
    expected = torch.stack([squared[:, :6].amin(1), squared[:, 6:].amin(1)], 1) <= radius**2

    assert torch.equal(disk_maps(points, (45, 52), radius), expected.float())
    nearest = squared.view(2, 2, 6, 45, 52).amin(2).sqrt()
    torch.testing.assert_close(
        distance_maps(points, (45, 52), radius), torch.tanh(2 * nearest / radius)
    )


class _LargestResult(TorchDispatchMode):
    """Remember the number of elements of the largest tensor that any operation gives."""

    largest = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        if isinstance(result, torch.Tensor):
            self.largest = max(self.largest, result.numel())
        return result


@pytest.mark.parametrize("draw", [disk_maps, distance_maps])
def test_memory_does_not_grow_with_clicks_times_image_size(draw):
    points = torch.rand(1, 400, 3) * 300
    with _LargestResult() as seen:
        draw(points, (300, 300), 5.0)
    assert seen.largest <= 2 * 300 * 300 + 1


@pytest.mark.parametrize("shape", [(4, 3), (1, 3, 3), (1, 4, 1)])
@pytest.mark.parametrize("draw", [disk_maps, distance_maps])
def test_points_of_another_shape_are_refused(draw, shape):
    with pytest.raises(ValueError, match=r"Points must be \(batch, 2N, 3\)"):
        draw(torch.zeros(shape), (8, 8), 5.0)
