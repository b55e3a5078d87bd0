"""Options of `find`."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from napari_cfr_icl._options import Options, option
from napari_cfr_icl.cli.segment_options import check_outputs
from napari_cfr_icl.engine.finding.options import FindOptions

MODEL = "cfr-icl-mobilesam"
"""The shipped model that looks at a picture once."""


@dataclass(frozen=True, slots=True)
class FindCommandOptions(Options):
    """One image, some of its objects, and where to look for the others."""

    image: Path
    plane: tuple[int, ...] | None
    region: tuple[int, ...] | None
    examples: Path = option(text="Label image with finished objects: one or more.")
    out: Path = option(text="TIFF file for the labels: the examples, and what was found.")
    model: str = option(MODEL, "Name or file of a model that looks at a picture once.")
    device: str = option("auto", "auto, cpu, cuda or mps.")
    axes: str | None = option(None, "Axes of IMAGE, where the file leaves it open, such as CYX.")
    find: FindOptions = field(default_factory=FindOptions)

    def __post_init__(self) -> None:
        check_outputs(self.image, self.out)
