"""Options of `find`."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from napari_cfr_icl._options import Options, option
from napari_cfr_icl.cli.segment_options import PictureOptions, check_outputs
from napari_cfr_icl.engine.finding.options import FindOptions
from napari_cfr_icl.engine.settings import DEVICES
from napari_cfr_icl.images.ome_zarr import is_zarr
from napari_cfr_icl.zoo.catalog import DEFAULT_MODEL


@dataclass(frozen=True, slots=True)
class FindCommandOptions(Options):
    """Images, some of their objects, and where to look for the others."""

    image: Path
    plane: tuple[int, ...] | None
    region: tuple[int, ...] | None
    examples: Path = option(
        text="Label image with finished objects, one or more; for a folder of images a folder, too."
    )
    out: Path = option(
        text="TIFF file for the labels: the examples, and what was found; a folder for a folder."
    )
    model: str = option(DEFAULT_MODEL, "Name or file of a model that looks at a picture once.")
    device: str = option("auto", DEVICES)
    picture: PictureOptions = field(default_factory=PictureOptions)
    find: FindOptions = field(default_factory=FindOptions)

    def __post_init__(self) -> None:
        if not self.is_folder:
            check_outputs(self.image, self.out)

    @property
    def is_folder(self) -> bool:
        """True where IMAGE is a folder of images."""
        return self.image.is_dir() and not is_zarr(self.image)
