import numpy as np
import pytest
from scipy import ndimage

from napari_cfr_icl import zoo
from napari_cfr_icl._errors import MaskError, ModelError
from napari_cfr_icl.engine import Patch, Window
from napari_cfr_icl.engine.finding.finder import ObjectFinder
from napari_cfr_icl.engine.finding.options import FindOptions
from napari_cfr_icl.engine.finding.proposals import Exemplars, Proposal
from napari_cfr_icl.engine.models.families import build
from napari_cfr_icl.engine.rendering import Rendering
from napari_cfr_icl.engine.runtime.network import Network
from napari_cfr_icl.engine.source import ImageSource
from napari_cfr_icl.engine.windows import iou

SHAPE = 200, 240
CENTRES = [(30, 30), (30, 90), (35, 150), (30, 210), (100, 40), (105, 110), (95, 190), (165, 60)]
RADIUS = 14


@pytest.fixture(scope="module")
def finder():
    model = zoo.load("cfr-icl-mobilesam")
    return ObjectFinder(Network(model, "cpu", "float32"), model.input_size)


@pytest.fixture(scope="module")
def picture():
    """Soft bright disks, and one thin bright line that is none of them."""
    rows, cols = np.indices(SHAPE)
    labels = np.zeros(SHAPE, np.uint8)
    for label, (row, col) in enumerate(CENTRES, start=1):
        labels[(rows - row) ** 2 + (cols - col) ** 2 < RADIUS**2] = label
    image = 0.1 + 0.7 * ndimage.gaussian_filter((labels > 0).astype(float), 1.5)
    image[180:184, 120:235] = 0.8
    image += np.random.default_rng(0).normal(0, 0.02, SHAPE)
    return image.astype(np.float32), labels


def masks_of(labels, wanted):
    return [Patch.from_full(labels == label) for label in wanted]


def found(finder, picture, examples, exemplars=(), **options):
    image, labels = picture
    exemplars = Exemplars(masks_of(labels, examples), *exemplars)
    return [each for each in finder.find(image, exemplars, **options) if isinstance(each, Proposal)]


def labels_met(proposals, labels):
    """The label that each proposal meets with an IoU of 0.75, or 0."""
    met = []
    for proposal in proposals:
        qualities = [
            iou(proposal.mask, Patch.from_full(labels == label))
            for label in range(1, len(CENTRES) + 1)
        ]
        met.append(int(np.argmax(qualities)) + 1 if max(qualities) > 0.75 else 0)
    return met


def test_the_other_disks_are_found_and_nothing_else(finder, picture):
    proposals = found(finder, picture, [1, 5])
    assert sorted(labels_met(proposals, picture[1])) == [2, 3, 4, 6, 7, 8]
    together = sum(each.mask.full().astype(int) for each in proposals)
    assert together.max() == 1
    assert not together[np.isin(picture[1], [1, 5])].any()
    for each in proposals:
        assert each.mask.at(each.click.row, each.click.col)
        assert 0.2 <= each.certainty <= 1


def test_only_the_region_is_searched(finder, picture):
    upper = Window(0, 0, 70, SHAPE[1])
    proposals = found(finder, picture, [1, 5], region=upper)
    assert sorted(labels_met(proposals, picture[1])) == [2, 3, 4]


def test_a_number_and_a_certainty_end_the_search(finder, picture):
    assert len(found(finder, picture, [1, 5], options=FindOptions(most=2))) == 2
    assert found(finder, picture, [1, 5], options=FindOptions(certainty=1.0)) == []


def test_without_an_example_one_sentence_says_so(finder, picture):
    with pytest.raises(MaskError, match="click one first"):
        found(finder, picture, [])


def test_examples_outside_the_region_teach_as_well(finder, picture):
    lower = Window(75, 0, 125, SHAPE[1])
    proposals = found(finder, picture, [1, 4], region=lower)
    assert sorted(labels_met(proposals, picture[1])) == [5, 6, 7, 8]


def test_examples_of_another_plane_teach_as_well(finder, picture):
    image, labels = picture
    exemplars = Exemplars(masks_of(labels, [1, 5]), source=image)
    proposals = [each for each in finder.find(image[::-1], exemplars) if isinstance(each, Proposal)]
    assert sorted(labels_met(proposals, labels[::-1])) == [1, 2, 3, 4, 5, 6, 7, 8]


def test_nothing_is_proposed_on_what_is_taken(finder, picture):
    proposals = found(finder, picture, [1, 5], taken=masks_of(picture[1], [2, 3]))
    assert sorted(labels_met(proposals, picture[1])) == [4, 6, 7, 8]


def test_rejected_objects_teach(finder, picture):
    """Here: dark disks are found no more, or with little certainty, when one was rejected."""
    image, labels = picture
    source = ImageSource.of(np.where(np.isin(labels, (3, 6, 8)), 0.25 * image, image))
    before = found(finder, (source, labels), [1, 5])
    after = found(finder, (source, labels), [1, 5], [masks_of(labels, [3])])
    assert {3, 6, 8} <= set(labels_met(before, labels))
    met = dict(zip(labels_met(after, labels), after, strict=True))
    assert {2, 4, 7} <= set(met)
    assert len({3, 6, 8} & set(met)) < 2
    assert 3 not in met
    surest = min(met[label].certainty for label in (2, 4, 7))
    assert all(each.certainty < surest for label, each in met.items() if label in (6, 8))


def test_a_second_search_looks_at_no_tile_again(finder, picture):
    source, (_, labels) = ImageSource.of(picture[0]), picture
    first = found(finder, (source, labels), [1, 5])
    reads, read = [], source.read
    source.read = lambda *window: (reads.append(window), read(*window))[1]
    again = found(finder, (source, labels), [1, 5])
    assert not reads
    assert [each.certainty for each in again] == [each.certainty for each in first]


def test_too_many_tiles_are_refused_before_any_is_read(finder):
    class Unread:
        shape, ndim, dtype = (60_000, 60_000), 2, np.dtype(np.uint8)

        def __getitem__(self, index):
            rows, cols = index[:2]
            assert (rows.stop - rows.start) * (cols.stop - cols.start) <= 2**20, "all of it"
            return np.zeros((rows.stop - rows.start, cols.stop - cols.start), np.uint8)

    example = Patch(np.ones((10, 10), bool), Window(100, 100, 10, 10), (60_000, 60_000))
    with pytest.raises(MaskError, match="search a smaller part"):
        list(finder.find(Unread(), Exemplars([example])))


def test_a_model_that_looks_at_each_click_is_refused():
    model = build({"family": "hrnet_ocr", "width": 4, "ocr_width": 8, "small": True})
    with pytest.raises(ModelError, match="looks once"):
        ObjectFinder(Network(model, "cpu", "float32"), 256)


class Counted:
    """A huge plane with the picture in one place, whose reads are counted."""

    shape, ndim, dtype = (20_000, 20_000), 2, np.dtype(np.float32)

    def __init__(self, image, top, left):
        self.image, self.box = image, Window(top, left, *image.shape)
        self.largest = self.pixels = 0

    def __getitem__(self, index):
        rows, cols = (range(*part.indices(20_000)) for part in index[:2])
        self.pixels += len(rows) * len(cols)
        self.largest = max(self.largest, len(rows) * len(cols))
        full = np.full((len(rows), len(cols)), 0.1, np.float32)
        window = Window(rows[0], cols[0], max(1, rows[-1] + 1 - rows[0]), cols[-1] + 1 - cols[0])
        common = window.intersection(self.box)
        if common is not None and rows.step == cols.step == 1:
            inside = self.image[common.relative_to(self.box).slices]
            full[common.relative_to(window).slices] = inside
        return full


def test_of_a_huge_plane_only_the_region_is_read(finder, picture):
    image, labels = picture
    plane = Counted(image, 9000, 11_000)
    source = ImageSource(plane, Rendering.grey(0, 1))
    guessed = plane.pixels
    example = Patch(labels == 1, plane.box, plane.shape)
    region = Window(8990, 10_990, 130, 260)
    found = list(finder.find(source, Exemplars([example]), region=region))
    masks = [each.mask for each in found if isinstance(each, Proposal)]
    met = [
        label
        for label in range(1, 9)
        if any(iou(m, Patch(labels == label, plane.box, plane.shape)) > 0.75 for m in masks)
    ]
    assert {2, 3, 4} <= set(met)
    assert 8 not in met
    assert plane.pixels - guessed < 20 * region.height * region.width
    assert plane.largest <= 1024 * 1024
