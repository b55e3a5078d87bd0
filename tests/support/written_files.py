"""Files of every kind that is read, with random axes, numbers and orientation."""

from __future__ import annotations

from dataclasses import dataclass

import imagecodecs
import numpy as np
import tifffile
import zarr
from hypothesis import strategies as st
from PIL import Image

EXIF_ORIENTATION = 0x0112
KINDS = ("uint8", "uint16", "float32")
ALL_KINDS = (*KINDS, "int8", "int16", "int32", "uint32", "float16", "float64")


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
    Writer("plain.tif", NAMELESS, ALL_KINDS, has_orientation=True),
    Writer("packed.tif", NAMELESS, ALL_KINDS),
    Writer("planar.tif", ("SYX", "ZSYX"), ("uint8", "uint16")),
    Writer("palette.tif", ("YX", "ZYX"), ("uint8",)),
    Writer("imagej.tif", tuple(a for a in NAMED if a != "CZYX"), KINDS),
    Writer("x.ome.tif", NAMED),
    Writer("x.png", ("YX",), ("uint8", "uint16"), has_orientation=True),
    Writer("colours.png", ("YXS",), ("uint8",), has_orientation=True),
    Writer("deep.png", ("YXS",), ("uint16",)),
    Writer("x.npy", NAMELESS, ALL_KINDS),
    Writer("x.zarr", NAMELESS, ALL_KINDS),
    Writer("ome.zarr", NAMED, ALL_KINDS),
)
PALETTE = np.random.default_rng(1).integers(0, 256, (3, 256)).astype(np.uint16) * 257


@st.composite
def files(draw, writers=WRITERS, least=20):
    """A file's name, axes, pixels and orientation; rows and columns from `least` on."""
    writer = draw(st.sampled_from(writers))
    axes = draw(st.sampled_from(writer.axes))
    # Equal numbers of planes and channels are the ones that are mixed up.
    few = st.integers(2, 4)
    sides = {
        "Y": draw(st.integers(least, least + 10)),
        "X": draw(st.integers(least, least + 10)),
        "S": 3,
    }
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
    match path.name.split("-")[-1]:
        case "plain.tif" | "packed.tif":
            packed = (
                {"compression": "zlib"} if path.name.endswith("packed.tif") else {"extratags": tags}
            )
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
        case "x.png" | "colours.png" | "deep.png":
            write_png(path, pixels, orientation)
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


def write_png(path, pixels, orientation):
    if pixels.ndim == 3 and pixels.dtype == np.uint16:
        path.write_bytes(imagecodecs.png_encode(pixels))
        return
    exif = Image.Exif()
    exif[EXIF_ORIENTATION] = orientation
    Image.fromarray(pixels).save(path, exif=exif)


def by_plane(pixels, axes):
    """The planes by their index: (rows, columns) or (rows, columns, channels)."""
    for letter in "SC":
        if letter in axes:
            pixels = np.moveaxis(pixels, axes.index(letter), -1)
            axes = axes.replace(letter, "")
    return {index: pixels[index] for index in np.ndindex(pixels.shape[: len(axes) - 2])}
