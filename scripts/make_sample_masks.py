"""Make the label files (and the simulated stack) of the sample images anew.

    python scripts/make_sample_masks.py             # src/napari_cfr_icl/samples/data/*_labels.tif
    python scripts/make_sample_masks.py --look DIR  # also outlines over the images, to look at

Three kinds of ground truth, all our own:

* photos (skimage.data): outlines drawn by hand, in sample_outlines.json; the last two pixels are
  left to a random walk over the colours, which follows an edge better than a hand does;
* nuclei: background and brightness differ from nucleus to nucleus, so each one ends at half its own
  height above the background; touching ones are parted at the neck, and one micronucleus by hand;
* stack: simulated, so the truth is known before the microscope's blur and noise are added.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray
from scipy import ndimage
from skimage import color, data, draw, feature, filters, io, measure, segmentation

HERE = Path(__file__).parent
DATA = HERE.parent / "src" / "napari_cfr_icl" / "samples" / "data"
OUTLINES = HERE / "sample_outlines.json"
"""Per photo, objects from the back to the front; places are (row, column)."""


Labels = NDArray[np.uint16]

MICRONUCLEUS = (71, 667)
"""A place inside the small round body beside a nucleus, which a watershed would leave with it."""


# ------------------------------------------------------------------------------------------- photos


def photo_labels(image: NDArray[np.uint8], objects: list[dict[str, Any]], band: int = 2) -> Labels:
    """(H, W): the outlines filled, their edges settled by a random walk within `band` pixels."""
    drawn = np.zeros(image.shape[:2], np.uint16)
    for drawing in objects:
        inside = draw.polygon2mask(drawn.shape, np.asarray(drawing["outline"]))
        drawn[inside] = drawing["label"]
    edge = np.zeros(drawn.shape, bool)
    for label in (0, *np.unique(drawn[drawn > 0])):
        inside = drawn == label
        edge |= inside & ~ndimage.binary_erosion(inside, iterations=band, border_value=1)
    # random_walker: 0 is undecided, so the background becomes one more label while it works.
    seeds = np.where(edge, 0, np.where(drawn == 0, drawn.max() + 1, drawn)).astype(np.int32)
    walked = segmentation.random_walker(
        color.rgb2lab(image) / 100, seeds, beta=200, mode="cg_j", tol=1e-6, channel_axis=-1
    )
    return np.where(walked == drawn.max() + 1, 0, walked).astype(np.uint16)


# ------------------------------------------------------------------------------------------- nuclei


def nuclei_labels(image: NDArray[np.uint16], smallest: int = 30) -> Labels:
    """(H, W): bright bodies, each to half its own height above the background."""
    smooth = filters.gaussian(image.astype(np.float64), 1, preserve_range=True)
    background = float(np.median(image))
    foreground = smooth > np.exp(filters.threshold_otsu(np.log(smooth)))
    foreground = ndimage.binary_fill_holes(ndimage.binary_opening(foreground))
    distance = filters.gaussian(ndimage.distance_transform_edt(foreground), 2)
    places = feature.peak_local_max(distance, min_distance=9, labels=measure.label(foreground))
    markers = np.zeros(image.shape, np.int32)
    for number, (row, column) in enumerate([*places, MICRONUCLEUS], start=1):
        markers[row - 1 : row + 2, column - 1 : column + 2] = number
    parted = segmentation.watershed(-distance, markers, mask=foreground)
    labels = np.zeros(image.shape, np.uint16)
    for body in measure.regionprops(parted, intensity_image=smooth):
        half = background + (np.median(smooth[parted == body.label]) - background) / 2
        whole = ndimage.binary_fill_holes((parted == body.label) & (smooth > half))
        if whole.sum() >= smallest:
            labels[whole] = labels.max() + 1
    return labels


# -------------------------------------------------------------------------------------------- stack


def simulated_stack(seed: int = 7) -> tuple[NDArray[np.uint16], Labels]:
    """(16, 160, 160) twice: cells as a confocal microscope would show them, and where they are."""
    rng = np.random.default_rng(seed)
    shape, spacing = (16, 160, 160), np.array([2.0, 0.5, 0.5])
    places = np.indices(shape).reshape(3, -1).T * spacing
    labels = np.zeros(shape, np.uint16)
    light = np.zeros(shape)
    texture = ndimage.gaussian_filter(rng.normal(size=shape), (0.8, 3, 3))
    texture /= texture.std()
    for label in range(1, 40):
        centre = rng.uniform([7, 6, 6], [25, 74, 74])
        axes = rng.uniform([6, 7, 7], [8, 13, 11])
        turn, _ = np.linalg.qr(rng.normal(size=(2, 2)))
        offset = places - centre
        offset[:, 1:] = offset[:, 1:] @ turn
        angle = np.arctan2(offset[:, 2] / axes[2], offset[:, 1] / axes[1])
        distance = np.linalg.norm(offset / axes, axis=1)
        # The lobes fade towards the poles, where an angle around the axis means nothing.
        waist = np.hypot(*(offset / axes)[:, 1:].T) / np.maximum(distance, 1e-9)
        bulge = 1 + waist * (0.08 * np.sin(3 * angle + label) + 0.05 * np.cos(5 * angle))
        inside = (distance < bulge).reshape(shape)
        if (labels[inside] > 0).mean() > 0.05:
            continue  # cells touch, they do not grow through each other
        inside &= labels == 0
        labels[inside] = label
        light[inside] = rng.uniform(250, 700) * (1 + 0.18 * texture[inside])
    seen = ndimage.gaussian_filter(light, (0.7, 1.4, 1.4)) + 60
    image = rng.poisson(seen * 0.4) / 0.4 + rng.normal(100, 6, shape)
    labels, _, _ = segmentation.relabel_sequential(labels)
    return image.round().clip(0, 65535).astype(np.uint16), labels


# -------------------------------------------------------------------------------------------- files


def write(name: str, values: NDArray[np.uint16]) -> None:
    """Write a compressed TIFF without a date, so that the same pixels give the same file."""
    path = DATA / f"{name}.tif"
    tifffile.imwrite(path, values, compression="zlib", metadata=None, software=False)


def look(path: Path, image: NDArray[np.generic], labels: Labels) -> None:
    """Write the outlines over the image, twice as large."""
    low, high = np.percentile(image, [0.5, 99.8])
    grey = np.clip((image.astype(float) - low) / (high - low), 0, 1)
    rgb = grey if grey.ndim == 3 else color.gray2rgb(grey)
    rgb, big = (np.kron(a, np.ones((2, 2) + (1,) * (a.ndim - 2))) for a in (rgb, labels))
    lined = segmentation.mark_boundaries(rgb, big.astype(int), color=(0, 1, 0), mode="inner")
    io.imsave(path, (lined * 255).astype(np.uint8), check_contrast=False)


def main() -> None:
    """Make all of them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--look", type=Path, metavar="DIR", help="outlines over the images go here")
    folder = parser.parse_args().look
    made: dict[str, tuple[NDArray[np.generic], Labels]] = {}
    for name, objects in json.loads(OUTLINES.read_text()).items():
        image = getattr(data, name)()
        made[name] = image, photo_labels(image, objects)
    nuclei = tifffile.imread(DATA / "nuclei.tif")
    made["nuclei"] = nuclei, nuclei_labels(nuclei)
    stack, made_labels = simulated_stack()
    write("stack", stack)
    made["stack"] = stack, made_labels
    for name, (image, labels) in made.items():
        write(f"{name}_labels", labels)
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
            middle = len(image) // 2
            shown = (image[middle], labels[middle]) if labels.ndim == 3 else (image, labels)
            look(folder / f"{name}.png", *shown)


if __name__ == "__main__":
    main()
