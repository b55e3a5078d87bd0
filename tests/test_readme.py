"""What the README and its neighbours promise: the code runs, the links lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from napari_cfr_icl import samples

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]


def code_of(page: str) -> list[str]:
    """The page's Python examples."""
    blocks: list[str] = re.findall(r"```python\n(.*?)```", (ROOT / page).read_text("utf-8"), re.S)
    return blocks


def test_the_readmes_example_finds_the_astronaut():
    [example] = code_of("README.md")
    names: dict[str, object] = {}

    exec(example, names)

    truth = samples.load("astronaut").labels == 1
    mask = names["mask"]
    assert np.sum(truth & mask) / np.sum(truth | mask) > 0.9


def test_the_python_pages_examples_run_one_after_the_other(capsys):
    names: dict[str, object] = {}
    for example in code_of("docs/python.md"):
        exec(example, names)

    assert names["better"].mask().full().shape == names["image"].shape[:2]
    assert "running" in capsys.readouterr().out


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_to_files_lead_somewhere(page):
    targets = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text("utf-8"))
    local = [target for target in targets if "://" not in target]
    assert [target for target in local if not (page.parent / target).exists()] == []


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md"])
def test_every_verb_is_in_the_makefile(page):
    verbs = set(re.findall(r"(?:^|`)make ([a-z-]+)", (ROOT / page).read_text("utf-8"), re.M))
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.M))
    assert verbs >= {"demo", "test"}
    assert verbs <= targets
