from __future__ import annotations

import socket

import numpy as np
import pytest
from scipy import ndimage

from napari_cfr_icl import samples


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a sample was looked for in the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)


@pytest.mark.parametrize(
    ("name", "shape", "dtype", "objects"),
    [
        pytest.param("astronaut", (512, 512, 3), np.uint8, 2, id="astronaut"),
        pytest.param("coffee", (400, 600, 3), np.uint8, 3, id="coffee"),
        pytest.param("nuclei", (395, 695), np.uint16, 26, id="nuclei"),
        pytest.param("stack", (16, 160, 160), np.uint16, 16, id="stack"),
    ],
)
def test_sample_is_there_without_a_network(no_network, name, shape, dtype, objects):
    sample = samples.load(name)

    assert sample.image.shape == shape
    assert sample.image.dtype == dtype
    spatial = shape[:2] if dtype == np.uint8 else shape
    assert sample.labels.shape == spatial
    assert len(sample.scale) == len(spatial)
    assert np.array_equal(np.unique(sample.labels), np.arange(objects + 1))


@pytest.mark.parametrize("name", samples.names())
def test_objects_are_whole(name):
    labels = samples.load(name).labels
    for label, box in enumerate(ndimage.find_objects(labels), start=1):
        parts, _ = ndimage.label(labels[box] == label, np.ones((3,) * labels.ndim))
        sizes = np.bincount(parts.ravel())[1:]
        # The spoon cuts a piece off the saucer and hides behind the cup; crumbs would be a fault.
        assert sizes.max() > 0.7 * sizes.sum(), f"object {label} is in pieces"
        assert sizes.min() >= 10, f"object {label} has crumbs"


def test_places_on_the_objects_of_the_photos():
    """Points that anybody would name the same way, (row, column)."""
    astronaut, coffee = samples.load("astronaut").labels, samples.load("coffee").labels

    assert [astronaut[at] for at in [(100, 220), (400, 60), (420, 400), (100, 350), (100, 50)]] == [
        1, 1, 2, 0, 0,
    ]  # fmt: skip
    assert [coffee[at] for at in [(150, 290), (280, 210), (280, 360), (90, 410), (200, 110)]] == [
        1, 1, 2, 2, 3,
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["nuclei", "stack"])
def test_objects_are_brighter_than_what_surrounds_them(name):
    sample = samples.load(name)
    background = np.median(sample.image[sample.labels == 0])
    medians = ndimage.median(sample.image, sample.labels, range(1, sample.labels.max() + 1))
    assert min(medians) > 1.5 * background


@pytest.mark.parametrize(
    ("layers", "name"),
    [
        pytest.param(samples.photo, "astronaut", id="photo"),
        pytest.param(samples.coffee, "coffee", id="coffee"),
        pytest.param(samples.fluorescence, "nuclei", id="fluorescence"),
        pytest.param(samples.stack, "stack", id="stack"),
    ],
)
def test_napari_gets_the_image_and_nothing_that_gives_the_answer_away(layers, name):
    [(data, options, kind)] = layers()

    assert kind == "image"
    assert options["name"] == name
    assert np.array_equal(data, samples.load(name).image)


def test_stack_tells_napari_that_planes_are_further_apart_than_pixels():
    [(_, options, _)] = samples.stack()
    assert options["scale"] == (2.0, 0.5, 0.5) == samples.load("stack").scale


def test_unknown_sample_names_the_known_ones():
    with pytest.raises(ValueError, match=r"no sample 'cat'; there are astronaut, coffee"):
        samples.load("cat")
