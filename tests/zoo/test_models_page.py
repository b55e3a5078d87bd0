"""The page about models says what the catalogue says."""

from pathlib import Path

import pytest

from napari_cfr_icl.zoo import CATALOGUE

PAGE = Path(__file__).parents[2] / "docs" / "models.md"


def row(entry):
    size = "unknown" if entry.size is None else f"{entry.size / 1e6:.1f} MB"
    way = "ships" if entry.embedded else "download" if entry.urls else "by hand"
    cells = (
        f"`{entry.name}`",
        entry.architecture,
        entry.trained_on or "unknown",
        size,
        entry.licence or "unknown",
        way,
    )
    return f"| {' | '.join(cells)} |"


@pytest.mark.parametrize("entry", CATALOGUE.values(), ids=list(CATALOGUE))
def test_every_model_has_its_row(entry):
    assert row(entry) in PAGE.read_text(encoding="utf-8").splitlines()


def test_there_is_no_row_of_another_model():
    rows = [
        line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| `")
    ]
    assert len(rows) == len(CATALOGUE)
