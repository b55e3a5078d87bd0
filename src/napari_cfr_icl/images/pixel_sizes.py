"""Pixel sizes: the distances between pixels, planes and points in time, as files tell them."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

if TYPE_CHECKING:
    from collections.abc import Sequence

    import tifffile

Sizes = dict[str, tuple[float, str]]
"""Size and unit by the letter of an axis; axes of which nothing is known are left out."""

METRES = {
    "km": 1e3, "m": 1.0, "dm": 1e-1, "cm": 1e-2, "mm": 1e-3, "µm": 1e-6, "nm": 1e-9, "Å": 1e-10,
    "pm": 1e-12, "fm": 1e-15, "in": 0.0254, "ft": 0.3048, "yd": 0.9144, "mi": 1609.344,
}  # fmt: skip
"""Units of length as OME writes them."""

SECONDS = {
    "d": 86400.0, "h": 3600.0, "min": 60.0, "s": 1.0, "ms": 1e-3, "µs": 1e-6, "ns": 1e-9,
    "ps": 1e-12, "fs": 1e-15,
}  # fmt: skip
"""Units of time as OME writes them."""

_NAMES = {
    "micron": "µm", "microns": "µm", "micrometer": "µm", "micrometre": "µm", "um": "µm",
    "nanometer": "nm", "nanometre": "nm", "millimeter": "mm", "millimetre": "mm",
    "centimeter": "cm", "centimetre": "cm", "meter": "m", "metre": "m", "angstrom": "Å",
    "kilometer": "km", "kilometre": "km", "decimeter": "dm", "decimetre": "dm", "picometre": "pm",
    "femtometer": "fm", "femtometre": "fm", "foot": "ft", "yard": "yd", "mile": "mi",
    "picosecond": "ps", "femtosecond": "fs",
    "picometer": "pm", "inch": "in", "second": "s", "sec": "s", "seconds": "s",
    "millisecond": "ms", "msec": "ms", "microsecond": "µs", "us": "µs", "nanosecond": "ns",
    "minute": "min", "minutes": "min", "hour": "h", "hours": "h", "day": "d",
}  # fmt: skip


def symbol(unit: str) -> str:
    """The symbol of a unit, whatever a program calls it; unknown ones are left as they are."""
    # GREEK SMALL LETTER MU is not MICRO SIGN, and ImageJ escapes both.
    written = unit.strip().replace("\\u00B5", "µ").replace("\N{GREEK SMALL LETTER MU}", "µ")
    return _NAMES.get(written.lower(), written)


def tiff_sizes(tiff: tifffile.TiffFile, series: int) -> Sizes:
    """Sizes from the metadata of ImageJ or OME; a resolution for printers is none."""
    if tiff.is_ome:
        return _ome_sizes(tiff.ome_metadata or "", series)
    facts = tiff.imagej_metadata or {}
    sizes: Sizes = {}
    if facts.get("finterval"):
        sizes["T"] = float(facts["finterval"]), symbol(str(facts.get("tunit", "s")))
    unit = symbol(str(facts.get("unit", "pixel")))
    if unit != "pixel":
        for letter, name in (("X", "XResolution"), ("Y", "YResolution")):
            tag = tiff.pages.first.tags.get(name)
            if tag is not None and tag.value[0]:
                sizes[letter] = tag.value[1] / tag.value[0], unit
        if facts.get("spacing"):
            sizes["Z"] = float(facts["spacing"]), unit
    return sizes


def _ome_sizes(xml: str, series: int) -> Sizes:
    try:
        pixels = ElementTree.fromstring(xml).findall(".//{*}Pixels")
        facts = pixels[series].attrib
    except (ElementTree.ParseError, IndexError):
        return {}
    sizes = {
        letter: (float(facts[name]), symbol(facts.get(f"{name}Unit", "µm")))
        for letter, name in ((letter, f"PhysicalSize{letter}") for letter in "XYZ")
        if name in facts
    }
    if "TimeIncrement" in facts:
        sizes["T"] = float(facts["TimeIncrement"]), symbol(facts.get("TimeIncrementUnit", "s"))
    return sizes


def zarr_sizes(axes: Sequence[Any], transforms: Sequence[Any]) -> Sizes:
    """Sizes of the finest level of an OME-Zarr.

    Parameters
    ----------
    axes : sequence
        Its description of the axes.
    transforms : sequence of dict
        Coordinate transformations, to be applied one after the other.
    """
    scales = [each["scale"] for each in transforms if each.get("type") == "scale"]
    return {
        axis["name"][0].upper(): (float(prod(each)), symbol(axis["unit"]))
        for axis, *each in zip(axes, *scales, strict=False)
        if each and isinstance(axis, dict) and axis.get("unit")
    }
