"""Sample images with ground truth of our own: two photos, a fluorescence field, a simulated stack.

>>> sample = load("nuclei")
>>> sample.image.shape, int(sample.labels.max())
((395, 695), 26)

For napari's File > Open Sample, the manifest's `sample_data` names one of `photo`, `coffee`,
`fluorescence` and `stack`: each returns a list of one (data, options, "image") tuple, as napari's
readers do. The truth is left out there, so that there is something to click. Nothing here imports
napari or torch. Where the pictures come from is told in README.md in this folder.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Sample", "coffee", "fluorescence", "load", "names", "photo", "stack"]

LayerData = tuple[Any, dict[str, Any], str]

_DATA = Path(__file__).parent / "data"
_TITLES = {
    "astronaut": "Photo: astronaut",
    "coffee": "Photo: cup of coffee",
    "nuclei": "Fluorescence: nuclei of human cells",
    "stack": "Small z-stack: simulated cells",
}
_SCALES = {"stack": (2.0, 0.5, 0.5)}


@dataclass(frozen=True, eq=False)
class Sample:
    """An image and what is in it.

    Attributes
    ----------
    name : str
        One of `names()`.
    title : str
        What a person reads in a menu.
    image : ndarray
        (H, W, 3) uint8 for photos, (H, W) uint16 for nuclei, (Z, H, W) uint16 for the stack.
    labels : ndarray of uint16
        (H, W) or (Z, H, W): 0 is background, every object has a number of its own.
    scale : tuple of float
        Size of a pixel along each axis of `labels`; 1 where it is not known.
    """

    name: str
    title: str
    image: NDArray[np.generic]
    labels: NDArray[np.uint16]
    scale: tuple[float, ...]


def names() -> tuple[str, ...]:
    """Names that `load` knows."""
    return tuple(_TITLES)


def load(name: str) -> Sample:
    """Load a sample from the installed files; needs no network.

    Parameters
    ----------
    name : str
        One of `names()`.

    Raises
    ------
    ValueError
        If there is no sample of that name.
    """
    if name not in _TITLES:
        raise ValueError(f"there is no sample {name!r}; there are {', '.join(_TITLES)}")
    labels = _read(f"{name}_labels")
    scale = _SCALES.get(name, (1.0,) * labels.ndim)
    return Sample(name, _TITLES[name], _image(name), labels, scale)


def photo() -> list[LayerData]:
    """Photo of an astronaut as napari's sample data."""
    return _layer("astronaut", rgb=True)


def coffee() -> list[LayerData]:
    """Photo of a cup of coffee as napari's sample data."""
    return _layer("coffee", rgb=True)


def fluorescence() -> list[LayerData]:
    """Fluorescence field of nuclei as napari's sample data."""
    return _layer("nuclei", contrast_limits=(140, 1200))


def stack() -> list[LayerData]:
    """Simulated z-stack as napari's sample data."""
    return _layer("stack", contrast_limits=(140, 900))


def _layer(name: str, **options: object) -> list[LayerData]:
    scale = _SCALES.get(name)
    shown = options | ({"scale": scale} if scale else {})
    return [(_image(name), {"name": name, **shown}, "image")]


def _image(name: str) -> NDArray[np.generic]:
    if (_DATA / f"{name}.tif").exists():
        return _read(name)
    from skimage import data

    image: NDArray[np.generic] = getattr(data, name)()
    return image


def _read(name: str) -> NDArray[Any]:
    # Not at the top: showing the menu of samples shall cost nothing.
    import tifffile

    values: NDArray[Any] = tifffile.imread(_DATA / f"{name}.tif")
    return values
