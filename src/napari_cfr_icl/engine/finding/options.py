"""Options of a search."""

from __future__ import annotations

from dataclasses import dataclass

from napari_cfr_icl._options import Options, option

SHOWN = 0.35
"""Certainty that a proposal needs to be on the screen, until the user moves the slider."""


@dataclass(frozen=True, slots=True)
class FindOptions(Options):
    """The search for other objects of a kind."""

    certainty: float = option(
        0.2, "Proposals less certain than this are dropped, 0 to 1.", limits=(0, 1)
    )
    most: int = option(
        10_000, "Largest number of proposals.", limits=(1, 10**6), label="number of proposals"
    )
