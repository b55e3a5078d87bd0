"""Policies of the inner loop to search among."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import product
from typing import TYPE_CHECKING

from napari_cfr_icl._errors import SettingsError
from napari_cfr_icl._options import Options, option

if TYPE_CHECKING:
    from napari_cfr_icl.engine.settings import Refinement


@dataclass(frozen=True, slots=True)
class Grid(Options):
    """The values that a search tries, in all combinations that differ.

    No refinement at all is always tried. None for `first_clicks` refines every click.
    """

    steps: tuple[int, ...] = option((1, 2, 3, 4))
    pixels: tuple[int, ...] = option(
        (5, 20, 80), "Thresholds to try, in pixels, with commas between."
    )
    fractions: tuple[float, ...] = option(
        (0.001, 0.002, 0.005, 0.01, 0.02),
        "Thresholds to try, as shares of the object's area, with commas between.",
    )
    first_clicks: tuple[int | None, ...] = option(
        (1, 2, 3, None), "Refine so many clicks of an object, tried in turn; or all."
    )
    guards: tuple[bool, ...] = option((False, True))

    def __post_init__(self) -> None:
        for name in ("steps", "first_clicks", "guards"):
            if not getattr(self, name):
                raise SettingsError(f"The search needs at least one value for {name}.")


def policies_of(grid: Grid, current: Refinement) -> list[Refinement]:
    """Every policy of a grid once: no refinement first, then the current one, then the others.

    Parameters
    ----------
    grid : Grid
        The values to try.
    current : Refinement
        Today's policy; what the grid does not vary is taken from it.
    """
    plain = replace(current, adaptive=False, threshold_pixels=0, threshold_fraction=0.0)
    stops = [
        plain,
        *(replace(plain, adaptive=True, threshold_pixels=pixels) for pixels in grid.pixels),
        *(replace(plain, adaptive=True, threshold_fraction=share) for share in grid.fractions),
    ]
    tried = [
        replace(stop, steps=steps, first_clicks=first, guard=guard)
        for steps, stop, first, guard in product(grid.steps, stops, grid.first_clicks, grid.guards)
    ]
    none = replace(current, steps=0)
    return list(dict.fromkeys(canonical(policy) for policy in (none, current, *tried)))


def canonical(policy: Refinement) -> Refinement:
    """The same policy without what makes no difference to it."""
    if policy.steps == 0:
        policy = replace(policy, adaptive=False, first_clicks=None, guard=False)
    if policy.steps == 1:
        # the loop ends after its only step, converged or not
        policy = replace(policy, adaptive=False)
    if not policy.adaptive:
        policy = replace(policy, threshold_pixels=0, threshold_fraction=0.0, inclusive=False)
    return policy


def describe(policy: Refinement) -> str:
    """A policy in words: "A-CFR-4 below 0.2 %, first 2 clicks, checked".

    "Checked": a step that contradicts a click is refused.
    """
    if policy.steps == 0:
        return "no refinement"
    text = policy.name.upper()
    if policy.adaptive:
        limits = []
        if policy.threshold_pixels:
            limits.append(f"{policy.threshold_pixels} px")
        if policy.threshold_fraction:
            limits.append(f"{100 * policy.threshold_fraction:g} %")
        text += f" below {' or '.join(limits) or '0 px'}"
    if policy.first_clicks is None:
        text += ", every click"
    else:
        text += (
            ", first click" if policy.first_clicks == 1 else f", first {policy.first_clicks} clicks"
        )
    return text + (", checked" if policy.guard else "")
