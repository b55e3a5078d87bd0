"""The page of a check: findings, and a contact sheet of the pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image
from scipy import ndimage

from napari_cfr_icl._files import atomic_write_text, explained_write_failures
from napari_cfr_icl.evaluation.reports.tables import markdown
from napari_cfr_icl.training.data.check import counted
from napari_cfr_icl.training.data.image_cache import rendered

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_cfr_icl.training.data.check import DatasetReport, ImageRecord

_SHOWN, _COLUMNS, _SIDE = 24, 6, 192
_OUTLINE = (0, 220, 120)


def write_check_page(report: DatasetReport, place: Path) -> Path:
    """Write `check.md` and `pictures.png`; returns the page.

    Parameters
    ----------
    report : DatasetReport
        The report to show.
    place : Path
        The folder; made where it is missing.

    Raises
    ------
    OutputError
        When nothing can be written there.
    """
    path = place / "check.md"
    with explained_write_failures(place):
        place.mkdir(parents=True, exist_ok=True)
        if report.records:
            Image.fromarray(_contact_sheet(_chosen(report))).save(place / "pictures.png")
        atomic_write_text(path, _text(report))
    return path


def _text(report: DatasetReport) -> str:
    sizes = np.array([area for record in report.records for area in record.objects.areas])
    facts = (
        f"{len(report.records)} usable pictures with {sizes.size} objects, {report.collection.path}"
    )
    if sizes.size:
        low, middle, high = np.percentile(sizes, (5, 50, 95))
        facts += (
            f"\nAreas in pixels: 5 % below {low:.0f}, half below {middle:.0f}, 5 % above {high:.0f}"
        )
    counts = counted(report.findings).items()
    table = [["severity", "what", "pictures"], *([*name, str(count)] for name, count in counts)]
    findings = (f"* {each.severity}: **{each.key}**: {each.text}\n" for each in report.findings)
    sheet = ["![pictures with their labels](pictures.png)\n"] if report.records else []
    parts = [f"# {report.collection.name}\n", f"{facts}\n", *sheet, markdown(table)]
    return "\n".join([*parts, "".join(findings)])


def _chosen(report: DatasetReport) -> Sequence[ImageRecord]:
    """Pictures to show: those with warnings first, then some of the rest."""
    warned = {finding.key for finding in report.findings if finding.severity == "warning"}
    records = sorted(report.records, key=lambda record: record.example.key not in warned)
    rest = records[len(warned) :]
    spread = rest[:: max(1, len(rest) // _SHOWN)]
    return [*records[: len(warned)][: _SHOWN // 2], *spread][:_SHOWN]


def _contact_sheet(records: Sequence[ImageRecord]) -> NDArray[np.uint8]:
    rows = -(-len(records) // _COLUMNS)
    sheet = np.zeros((rows * _SIDE, _COLUMNS * _SIDE, 3), np.uint8)
    for number, record in enumerate(records):
        top, left = (number // _COLUMNS) * _SIDE, (number % _COLUMNS) * _SIDE
        tile = _tile(record)
        sheet[top : top + tile.shape[0], left : left + tile.shape[1]] = tile
    return sheet


def _tile(record: ImageRecord) -> NDArray[np.uint8]:
    """A small picture with all objects outlined."""
    labels = record.example.labels()
    shrink = max(labels.shape) / (_SIDE - 4)
    size = tuple(max(1, round(side / shrink)) for side in reversed(labels.shape))
    picture = Image.fromarray(rendered(record.example.image())).resize(size, Image.Resampling.BOX)
    small = np.asarray(Image.fromarray(labels).resize(size, Image.Resampling.NEAREST))
    edge = ndimage.grey_erosion(small, 3) != ndimage.grey_dilation(small, 3)
    drawn = np.array(picture)
    drawn[edge & (small > 0)] = _OUTLINE
    return drawn
