"""Every format is read back by its own ecosystem's reader; what was labelled comes back."""

from __future__ import annotations

import contextlib
import io
import json
import sys
import zipfile
from xml.etree import ElementTree

import numpy as np
import pytest
import roifile
import tifffile
from pycocotools.coco import COCO
from shapely import contains_xy
from shapely.geometry import shape as geometry
from skimage.draw import polygon2mask

from napari_cfr_icl._errors import OutputError
from napari_cfr_icl.exports.label_image import LabelImage
from napari_cfr_icl.exports.writing import export, write_labels
from napari_cfr_icl.images.opening import open_image

SHAPE = (60, 80)
RING, DISC, PAIR, LINE = 1, 2, 7, 300


def flat():
    """A ring, a disc at the border, an object in two parts, a line of one pixel."""
    labels = np.zeros(SHAPE, np.uint16)
    rows, cols = np.mgrid[: SHAPE[0], : SHAPE[1]]
    away = np.hypot(rows - 20, cols - 25)
    labels[(away < 12) & (away > 5)] = RING
    labels[np.hypot(rows - 58, cols - 70) < 9] = DISC
    labels[40:44, 10:20] = PAIR
    labels[50:55, 12:15] = PAIR
    labels[5, 45:75] = LINE
    return labels


def stack():
    labels = np.zeros((3, *SHAPE), np.uint16)
    labels[1] = flat()
    labels[2, 10:20, 10:20] = DISC
    return labels


IMAGES = {
    "flat": LabelImage(flat(), "cells.tif", (0.5, 0.25), ("µm", "µm")),
    "stack": LabelImage(stack(), "cells.tif", (2.0, 0.5, 0.25), ("µm", "µm", "µm")),
}
each_image = pytest.mark.parametrize("image", IMAGES.values(), ids=IMAGES)


def planes_of(labels):
    return labels.reshape(-1, *SHAPE)


@each_image
@pytest.mark.parametrize("name", ["l.tif", "l.ome.tif"])
def test_tiff_keeps_numbers_type_and_scale(image, name, tmp_path):
    assert export(tmp_path / name, image) == 4
    with tifffile.TiffFile(tmp_path / name) as tiff:
        assert tiff.is_ome == (".ome." in name)
        series = tiff.series[0]
        assert np.array_equal(series.asarray(), image.labels)
        assert series.dtype == np.uint16
        assert series.axes == image.axes
        if tiff.is_ome:
            assert 'PhysicalSizeX="0.25"' in tiff.ome_metadata
            assert 'PhysicalSizeYUnit="µm"' in tiff.ome_metadata
        else:
            assert tiff.imagej_metadata["unit"] == "um"
            assert tiff.imagej_metadata.get("spacing", 2.0) == 2.0
            top, bottom = tiff.pages[0].tags["XResolution"].value
            assert top / bottom == 4.0
            top, bottom = tiff.pages[0].tags["YResolution"].value
            assert top / bottom == 2.0


@pytest.mark.parametrize(
    ("scale", "units", "as_imagej", "as_ome"),
    [
        pytest.param(
            (5, 0.5, 0.25),
            ("min", "µm", "µm"),
            {"T": (300, "s"), "Y": (0.5, "µm"), "X": (0.25, "µm")},
            {"T": (5, "min"), "Y": (0.5, "µm"), "X": (0.25, "µm")},
            id="minutes",
        ),
        pytest.param(
            (40, 500, 0.25),
            ("ms", "nm", "µm"),
            {"T": (0.04, "s"), "Y": (0.5, "µm"), "X": (0.25, "µm")},
            {"T": (40, "ms"), "Y": (500, "nm"), "X": (0.25, "µm")},
            id="two units of length",
        ),
        pytest.param(
            (3e-10, 2e-10, 2e-10),
            ("m", "m", "m"),
            {"Z": (3e-4, "µm"), "Y": (2e-4, "µm"), "X": (2e-4, "µm")},
            {"Z": (3e-10, "m"), "Y": (2e-10, "m"), "X": (2e-10, "m")},
            id="less than an atom",
        ),
        pytest.param(
            (2, 3, 4),
            ("Å", "km", "km"),
            {"Z": (2e-13, "km"), "Y": (3, "km"), "X": (4, "km")},
            {"Z": (2, "Å"), "Y": (3, "km"), "X": (4, "km")},
            id="km",
        ),
        pytest.param(
            (2, 3, 4),
            ("ps", "ft", "ft"),
            {"T": (2e-12, "s"), "Y": (3, "ft"), "X": (4, "ft")},
            {"T": (2, "ps"), "Y": (3, "ft"), "X": (4, "ft")},
            id="feet",
        ),
        pytest.param(
            (2, 1e-12, 1e-12),
            ("pixel", "pixel", "pixel"),
            {letter: (size, "pixel") for letter, size in (("Z", 2), ("Y", 1e-12), ("X", 1e-12))},
            {letter: (size, "pixel") for letter, size in (("Z", 2), ("Y", 1e-12), ("X", 1e-12))},
            id="beyond ImageJ",
        ),
    ],
)
def test_tiffs_keep_times_and_units(scale, units, as_imagej, as_ome, tmp_path):
    for name, expected in (("l.tif", as_imagej), ("l.ome.tif", as_ome)):
        export(tmp_path / name, LabelImage(stack(), "cells.tif", scale, units))
        with tifffile.TiffFile(tmp_path / name) as tiff:
            leading = "T" if "T" in expected else "Z"
            assert tiff.series[0].axes == f"{leading}YX"
            if name == "l.tif" and tiff.is_imagej:
                unit = expected["X"][1].replace("µ", "u")
                interval = "finterval" if leading == "T" else "spacing"
                assert tiff.imagej_metadata["unit"] == unit
                assert tiff.imagej_metadata[interval] == pytest.approx(expected[leading][0])
            else:
                pixels = ElementTree.fromstring(tiff.ome_metadata).find(".//{*}Pixels")
                for letter, (size, unit) in expected.items():
                    key = "TimeIncrement" if letter == "T" else f"PhysicalSize{letter}"
                    assert (float(pixels.get(key)), pixels.get(f"{key}Unit")) == (size, unit)
        found = open_image(tmp_path / name).sizes
        assert found.keys() == expected.keys()
        for letter, (size, unit) in expected.items():
            assert found[letter] == (pytest.approx(size), unit)


@pytest.mark.parametrize(
    ("names", "units", "axes"),
    [
        (("t", "y", "x"), ("pixel",) * 3, "TYX"),
        (("Time", "z", "y", "x"), ("pixel",) * 4, "TZYX"),
        (("", "", "", ""), ("µm", "s", "µm", "µm"), "ZTYX"),
        (("axis -3", "y", "x"), ("pixel",) * 3, "ZYX"),
        (("z", "Z", "y", "x"), ("pixel",) * 4, "TZYX"),
    ],
)
def test_axes_are_what_their_names_and_units_say(names, units, axes, tmp_path):
    labels = np.ones((2, 3, 4, 5)[-len(names) :], np.uint16)
    image = LabelImage(labels, "a.tif", (1.0,) * len(names), units, names)
    for name in ("l.tif", "l.ome.tif"):
        export(tmp_path / name, image)
        with tifffile.TiffFile(tmp_path / name) as tiff:
            assert tiff.series[0].axes == axes
            np.testing.assert_array_equal(tiff.series[0].asarray(), labels)
    export(tmp_path / "l.zip", image)


@pytest.mark.parametrize(
    ("kind", "highest", "written"),
    [
        ("uint8", 200, "uint8"),
        ("int64", 200, "uint8"),
        ("int64", 65535, "uint16"),
        ("uint64", 70000, "uint32"),
        ("int32", 70000, "int32"),
    ],
)
def test_tiff_takes_any_type_of_label(kind, highest, written, tmp_path):
    labels = np.zeros(SHAPE, kind)
    labels[3, 4] = highest
    export(tmp_path / "l.tif", LabelImage(labels))
    read = tifffile.imread(tmp_path / "l.tif")
    assert read.dtype == written
    assert np.array_equal(read, labels)


# pycocotools hands numpy an array type of its own that predates numpy 2.
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
@each_image
def test_coco_is_read_by_pycocotools(image, tmp_path):
    path = tmp_path / "l.json"
    export(path, image)
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO(str(path))
    found = np.zeros_like(planes_of(image.labels))
    for annotation in coco.loadAnns(coco.getAnnIds()):
        mask = coco.annToMask(annotation).astype(bool)
        number = annotation["image_id"] - 1
        found[number][mask] = annotation["label"]
        assert annotation["area"] == mask.sum()
        rows, cols = np.nonzero(mask)
        left, top, width, height = annotation["bbox"]
        assert (rows.min(), rows.max() + 1) == (top, top + height)
        assert (cols.min(), cols.max() + 1) == (left, left + width)
        assert isinstance(annotation["segmentation"], dict) == (annotation["label"] == RING)
    assert np.array_equal(found, planes_of(image.labels))
    entries = coco.loadImgs(coco.getImgIds())
    assert [(e["width"], e["height"], e["file_name"]) for e in entries] == [
        (80, 60, "cells.tif")
    ] * len(found)


@each_image
def test_geojson_is_read_by_shapely(image, tmp_path):
    path = tmp_path / "l.geojson"
    export(path, image)
    rows, cols = np.mgrid[: SHAPE[0], : SHAPE[1]]
    found = np.zeros_like(planes_of(image.labels))
    for feature in json.loads(path.read_text(encoding="utf-8"))["features"]:
        shape = geometry(feature["geometry"])
        label = feature["properties"]["label"]
        number = feature["geometry"].get("plane", {"z": 0})["z"]
        assert shape.is_valid
        assert shape.area == (planes_of(image.labels)[number] == label).sum()
        found[number][contains_xy(shape, cols + 0.5, rows + 0.5)] = label
        assert feature["properties"]["objectType"] == "annotation"
    assert np.array_equal(found, planes_of(image.labels))


@each_image
def test_rois_are_read_by_roifile(image, tmp_path):
    path = tmp_path / "l.zip"
    export(path, image)
    found = np.zeros_like(planes_of(image.labels))
    for roi in roifile.roiread(path):
        mask = np.zeros(SHAPE, bool)
        rings = roi.coordinates(multi=True) if roi.composite else [roi.coordinates()]
        for ring in rings:
            # ImageJ fills composites by the even-odd rule.
            mask ^= polygon2mask(SHAPE, ring[:, ::-1] - 0.5)
        found[max(0, roi.position - 1)][mask] = int(roi.name[-4:])
        rows, cols = np.nonzero(mask)
        assert (roi.top, roi.bottom) == (rows.min(), rows.max() + 1)
        assert (roi.left, roi.right) == (cols.min(), cols.max() + 1)
    assert np.array_equal(found, planes_of(image.labels))
    names = {name.removesuffix(".roi") for name in zipfile.ZipFile(path).namelist()}
    assert ("0300" if image.labels.ndim == 2 else "z0001-0300") in names


def test_time_and_depth_have_places_of_their_own(tmp_path):
    labels = np.zeros((2, 3, *SHAPE), np.uint8)
    labels[1, 2, 4:6, 8:10] = 5
    image = LabelImage(labels)
    export(tmp_path / "l.zip", image)
    roi = roifile.roiread(tmp_path / "l.zip")[0]
    assert (roi.t_position, roi.z_position, roi.name) == (2, 3, "t0001-z0002-0005")
    export(tmp_path / "l.geojson", image)
    (feature,) = json.loads((tmp_path / "l.geojson").read_text())["features"]
    assert feature["geometry"]["plane"] == {"c": -1, "z": 2, "t": 1}
    export(tmp_path / "l.tif", image)
    assert np.array_equal(tifffile.imread(tmp_path / "l.tif"), labels)


@pytest.mark.parametrize("kind", ["uint8", "uint16", "int32"])
@pytest.mark.parametrize("name", ["l.tif", "l.ome.tif"])
@pytest.mark.parametrize(
    "shape",
    [
        (20, 1),
        (1, 30),
        (3, 20, 1),
        (3, 1, 30),
        (1, 20, 1),
        (2, 4, 20, 1),
        (2, 4, 1, 1),
        (2, 1, 20, 1),
        (2, 3, 4, 20, 30),
        (1, 3, 4, 20, 30),
        (2, 3, 4, 20, 1),
        (2, 1, 1, 1, 30),
    ],
    ids=str,
)
def test_tiff_is_read_back_whatever_its_axes(shape, name, kind, tmp_path):
    labels = np.arange(np.prod(shape), dtype=kind).reshape(shape)
    write_labels(tmp_path / name, LabelImage(labels))
    read = tifffile.imread(tmp_path / name)
    # Readers leave out leading axes of one plane.
    assert read.shape[-2:] == shape[-2:]
    assert np.array_equal(read.reshape(shape), labels)


def test_ids_may_be_huge(tmp_path):
    labels = np.zeros(SHAPE, np.uint32)
    labels[1:4, 1:4], labels[7, 7] = 4_000_000_000, 3
    image = LabelImage(labels)
    assert [(label, int(mask.values.sum())) for label, mask in image.objects(())] == [
        (3, 1),
        (4_000_000_000, 9),
    ]


SUFFIXES = [".tif", ".json", ".geojson", ".zip"]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_labels_without_objects_are_not_exported(suffix, tmp_path):
    with pytest.raises(OutputError, match="There are no objects"):
        export(tmp_path / f"l{suffix}", LabelImage(np.zeros(SHAPE, np.uint8)))
    assert not list(tmp_path.iterdir())


def test_but_can_be_kept(tmp_path):
    write_labels(tmp_path / "l.tif", LabelImage(np.zeros(SHAPE, np.uint8)))
    assert not tifffile.imread(tmp_path / "l.tif").any()


def test_an_unknown_ending_is_refused(tmp_path):
    with pytest.raises(OutputError, match="does not say in which format"):
        export(tmp_path / "labels.docx", IMAGES["flat"])


@pytest.mark.parametrize("suffix", [".tif", ".geojson", ".zip"])
def test_more_axes_than_a_format_has(suffix, tmp_path):
    image = LabelImage(flat()[np.newaxis, np.newaxis, np.newaxis, np.newaxis])
    with pytest.raises(OutputError, match="Labels of 6 axes cannot be written"):
        export(tmp_path / f"l{suffix}", image)
    assert not list(tmp_path.iterdir())
    assert export(tmp_path / "l.json", image) == 4


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_folder_that_is_missing(suffix, tmp_path):
    with pytest.raises(OutputError, match="Nothing can be written into"):
        export(tmp_path / "none" / f"l{suffix}", IMAGES["flat"])


if sys.platform != "win32":
    import resource

    @contextlib.contextmanager
    def full_disk():
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (64, limits[1]))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)

    @pytest.mark.parametrize("suffix", SUFFIXES)
    def test_a_full_disk_leaves_what_was_there(suffix, tmp_path):
        path = tmp_path / f"l{suffix}"
        path.write_bytes(b"from earlier")
        with full_disk(), pytest.raises(OutputError, match="is full"):
            export(path, IMAGES["flat"])
        assert [p.read_bytes() for p in tmp_path.iterdir()] == [b"from earlier"]
