"""Options of a search for the best refinement, as the tuning dock offers them."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

from napari_cfr_icl._options import Options, option


@dataclass(frozen=True, slots=True)
class SearchOptions(Options):
    """Options of a search, under the names that they have on the command line."""

    goal: int = option(
        90, "IoU in percent at which an object is done", (50, 99), label="Click until"
    )
    limit: int = option(0, "pictures, drawn at random; 0: all", (0, 1e6), label="Most pictures")
    objects_per_picture: int = option(
        0, "objects of each picture, drawn at random; 0: all", (0, 1e6), label="Objects of each"
    )
    max_steps: int = option(4, "refinement steps to try", (1, 20), label="Most steps")
    max_clicks: int = option(
        20, "clicks after which an object is given up", (1, 100), label="Most clicks"
    )
    pixels: str = option("5, 20, 80", "thresholds in pixels", label="Thresholds, px")
    fractions: str = option(
        "0.001, 0.002, 0.005, 0.01, 0.02",
        "thresholds as shares of the object's area",
        label="… of the object",
    )
    first_clicks: str = option(
        "1, 2, 3, all", "numbers of clicks that are refined, or all", label="Refined clicks"
    )

    def arguments(self, dataset: Path, out: Path, engine: tuple[str, str, Path]) -> list[str]:
        """Arguments of the command.

        Parameters
        ----------
        dataset : Path
            A folder of images and labels, or a COCO json.
        out : Path
            Folder of the results.
        engine : tuple of (str, str, Path)
            Model, device, and the file of the current settings.
        """
        given = dict(zip(("model", "device", "preset"), engine, strict=True))
        values = {
            **asdict(self),
            **given,
            "goal": self.goal / 100,
            "format": "coco-json" if dataset.suffix.lower() == ".json" else "folder",
            "out": out,
        }
        words = [f"--{name.replace('_', '-')}={x}" for name, x in values.items() if x != 0]
        return ["tune", str(dataset), *words, "--json-progress"]
