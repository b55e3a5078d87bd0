"""Whatever a file is, `segment`, `evaluate`, `train check` and the folder mode see the same."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tifffile
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from napari_cfr_icl.cli.image_source import open_source
from napari_cfr_icl.engine.windows import Window
from napari_cfr_icl.evaluation.datasets import open_dataset
from napari_cfr_icl.session.folder import read_image
from napari_cfr_icl.training.data.collection import open_collection

EXIF_ORIENTATION = 0x0112
KINDS = ("uint8", "uint16", "float32")


@dataclass(frozen=True)
class Writer:
    """A kind of file, and what it can hold."""

    name: str
    axes: tuple[str, ...]
    kinds: tuple[str, ...] = KINDS
    has_orientation: bool = False


NAMELESS = ("YX", "YXS", "YXC", "ZYX", "TZYX")
NAMED = ("YX", "ZYX", "CYX", "TZYX", "CZYX", "TCYX", "ZCYX", "TZCYX")
WRITERS = (
    Writer("plain.tif", NAMELESS, has_orientation=True),
    Writer("packed.tif", NAMELESS),
    Writer("planar.tif", ("SYX",), ("uint8", "uint16")),
    Writer("palette.tif", ("YX", "ZYX"), ("uint8",)),
    Writer("imagej.tif", tuple(a for a in NAMED if a != "CZYX"), KINDS),
    Writer("x.ome.tif", NAMED),
    Writer("x.png", ("YX",), ("uint8", "uint16"), has_orientation=True),
    Writer("colours.png", ("YXS",), ("uint8",), has_orientation=True),
    Writer("x.npy", NAMELESS),
    Writer("x.zarr", NAMELESS),
    Writer("ome.zarr", NAMED),
)
PALETTE = np.random.default_rng(1).integers(0, 256, (3, 256)).astype(np.uint16) * 257


@st.composite
def files(draw):
    writer = draw(st.sampled_from(WRITERS))
    axes = draw(st.sampled_from(writer.axes))
    # Equal numbers of planes and channels are the ones that are mixed up.
    few = st.integers(2, 4)
    sides = {"Y": draw(st.integers(20, 30)), "X": draw(st.integers(20, 30)), "S": 3}
    shape = [sides.get(letter) or draw(few if letter != "C" else st.sampled_from((2, 5))) for
             letter in axes]  # fmt: skip
    kind = draw(st.sampled_from(writer.kinds))
    seed = draw(st.integers(0, 99))
    pixels = np.random.default_rng(seed).integers(0, 256, shape).astype(kind)
    orientation = draw(st.integers(1, 8)) if writer.has_orientation else 1
    return writer.name, axes, pixels, orientation


def write(path, axes, pixels, orientation):
    """Write a file; returns its pixels as they are seen."""
    tags = [(EXIF_ORIENTATION, 3, 1, orientation, True)]
    grey = {"photometric": "rgb" if "S" in axes else "minisblack"}
    match path.name:
        case "plain.tif" | "packed.tif":
            packed = {"compression": "zlib"} if path.name == "packed.tif" else {"extratags": tags}
            tifffile.imwrite(path, pixels, **grey, **packed)
        case "planar.tif":
            tifffile.imwrite(path, pixels, photometric="rgb", planarconfig="separate")
        case "palette.tif":
            tifffile.imwrite(path, pixels, photometric="palette", colormap=PALETTE)
            return (PALETTE >> 8).astype(np.uint8).T[pixels], f"{axes}S"
        case "imagej.tif":
            tifffile.imwrite(path, pixels, imagej=True, metadata={"axes": axes})
        case "x.ome.tif":
            tifffile.imwrite(path, pixels, metadata={"axes": axes}, photometric="minisblack")
        case "x.png" | "colours.png":
            exif = Image.Exif()
            exif[EXIF_ORIENTATION] = orientation
            Image.fromarray(pixels).save(path, exif=exif)
        case "x.npy":
            np.save(path, pixels)
        case "x.zarr":
            zarr.save_array(path, pixels)
        case "ome.zarr":
            group = zarr.open_group(path, mode="w")
            group.create_array("0", data=pixels)
            named = [{"name": letter.lower()} for letter in axes]
            described = {"axes": named, "datasets": [{"path": "0"}]}
            group.attrs.update({"ome": {"multiscales": [described]}})
    return pixels, axes


def by_plane(pixels, axes):
    """The planes by their index: (rows, columns) or (rows, columns, channels)."""
    for letter in "SC":
        if letter in axes:
            pixels = np.moveaxis(pixels, axes.index(letter), -1)
            axes = axes.replace(letter, "")
    return {index: pixels[index] for index in np.ndindex(pixels.shape[: len(axes) - 2])}


@settings(max_examples=60, deadline=None)
@given(files())
def test_a_file_has_the_same_pixels_and_places_in_every_way_in(made):
    name, axes, pixels, orientation = made
    with tempfile.TemporaryDirectory() as place:
        root = Path(place)
        (root / "images").mkdir()
        (root / "labels").mkdir()
        path = root / "images" / name
        planes = by_plane(*write(path, axes, pixels, orientation))
        rows, cols = next(iter(planes.values())).shape[:2]
        # An object on each plane, a different one, off the middle.
        leading = tuple(np.add(max(planes), 1))
        labels = np.zeros((len(planes), rows, cols), np.uint8)
        for number, plane in enumerate(labels):
            plane[3 : 9 + number % 3, 11:15] = 1
        stem = path.name.removesuffix(path.suffix)
        labels = labels.reshape(*leading, rows, cols)
        tifffile.imwrite(root / "labels" / f"{stem}.tif", labels, photometric="minisblack")

        folder = read_image(path)
        pictures, examples = open_dataset(root, "folder").pictures, open_collection(root).examples
        assert len(pictures) == len(examples) == len(planes)
        for (index, plane), picture, example in zip(
            planes.items(), pictures, examples, strict=True
        ):
            np.testing.assert_array_equal(folder.pixels[index], plane)
            np.testing.assert_array_equal(picture.image(), plane)
            np.testing.assert_array_equal(example.image(), plane)
            np.testing.assert_array_equal(example.labels(), labels[index])
            (truth,) = picture.objects()
            np.testing.assert_array_equal(truth.truth(), labels[index])

            source = open_source(path, None, index or None)
            assert source.shape == (rows, cols)
            whole = source.read(Window.whole(source.shape))
            np.testing.assert_array_equal(whole, source.rendering(plane))
            # A click is where its pixel is: the part around it is cut out there.
            for row, col in ((5, 12), (rows - 1, 0)):
                part = source.read(Window(row, col, 1, 1))
                np.testing.assert_array_equal(part[0, 0], whole[row, col])
