"""The report of a search: tables, a plot, and settings that can be used at once."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from matplotlib.figure import Figure

from napari_cfr_icl._files import atomic_write_json, atomic_write_text, explained_write_failures
from napari_cfr_icl.evaluation.protocol.skipped import as_data, skipped_section
from napari_cfr_icl.evaluation.reports.plots import save_figure
from napari_cfr_icl.evaluation.reports.results import percent
from napari_cfr_icl.evaluation.reports.tables import Row, comma_separated, markdown
from napari_cfr_icl.evaluation.tuning.policies import describe

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from matplotlib.axes import Axes

    from napari_cfr_icl.engine.settings import Settings
    from napari_cfr_icl.evaluation.protocol.skipped import SkippedPicture
    from napari_cfr_icl.evaluation.tuning.selection import PolicyComparison, Selection

RECOMMENDED_FILE = "recommended.json"
"""Settings that `evaluate --preset` takes."""

_SIZE = (7.0, 4.5)


def write_choice(
    choice: Selection, settings: Settings, folder: Path, skipped: Sequence[SkippedPicture] = ()
) -> None:
    """Write everything about a choice.

    Parameters
    ----------
    choice : Selection
        The result of the search.
    settings : Settings
        Everything but the inner loop.
    folder : Path
        Where to write.
    skipped : sequence of SkippedPicture, optional
        Pictures that could not be read.

    Raises
    ------
    OutputError
        When a file cannot be written.
    """
    best = choice.standings[choice.recommended].policy
    chosen = asdict(replace(settings, refinement=best))
    figure = Figure(figsize=_SIZE, layout="constrained")
    draw_front(figure.add_subplot(), choice)
    with explained_write_failures(folder):
        atomic_write_json(folder / RECOMMENDED_FILE, chosen)
        atomic_write_json(folder / "tune.json", {**_plain(choice), "left_out": as_data(skipped)})
        atomic_write_text(folder / "policies.csv", comma_separated(policy_table(choice)))
        atomic_write_text(folder / "tune.md", text_of(choice) + skipped_section(skipped))
        save_figure(figure, folder / "front")


def policy_table(choice: Selection) -> list[Row]:
    """A row for every policy, fewest passes first."""
    head = ["policy", _noc(choice), "never reached", "passes per object", "on the front"]
    order = sorted(
        range(len(choice.standings)),
        key=lambda i: (choice.standings[i].passes, choice.standings[i].clicks),
    )
    return [head, *(_policy_row(choice, i) for i in order)]


def text_of(choice: Selection) -> str:
    """The choice in words and tables."""
    name = describe(choice.standings[choice.recommended].policy)
    today = describe(choice.standings[choice.current].policy)
    noc, savings = _noc(choice), choice.savings
    parts = [
        f"# Recommended: {name}\n",
        f"{noc} {choice.clicks}, {choice.passes} passes per object (means with 95 % intervals over "
        f"pictures); `{RECOMMENDED_FILE}` holds these settings.\n",
        "Chosen on one half of the pictures: the least clicks + passes / "
        f"{choice.objective.click_worth:g} among the policies that are on no data set clearly "
        "worse than no refinement.\n",
        "## Checked on the other half\n",
        *(f"{too_few(item)}\n" for item in choice.held_out if not item.clicks.is_sound),
        markdown(_comparison_table(noc, "no refinement", choice.held_out)),
        markdown(_comparison_table(noc, f"today: {today}", choice.held_out_current)),
        "## The efficient front\n",
        markdown([policy_table(choice)[0], *(_policy_row(choice, i) for i in choice.front)]),
        "## What the replay saved\n",
        f"{savings.passes} passes instead of {savings.passes_without}, {savings.factor:.1f} times "
        f"fewer. Of the clicks of all policies, {100 * savings.clicks_shared:.1f} % were answered "
        "from the recorded inner loop of another policy with the same clicks and the same mask so "
        f"far. Where policies stopped at different masks ({savings.partings} times), the clicks "
        "after that were run for each: the mask is fed back and decides the next click, so no "
        "recording of another policy has the answer.\n",
    ]
    return "\n".join(parts)


def too_few(item: PolicyComparison) -> str:
    """The sentence on a comparison that nothing can be concluded from."""
    objects, pictures = item.clicks.count, item.clicks.groups
    return (
        f"Too few to judge on {item.dataset}: held out {'was' if objects == 1 else 'were'} "
        f"{objects} object{'' if objects == 1 else 's'} of {pictures} "
        f"picture{'' if pictures == 1 else 's'}."
    )


def draw_front(axes: Axes, choice: Selection) -> None:
    """Clicks against passes: every policy, the efficient front, today's and the recommended."""
    standings = choice.standings
    axes.scatter(
        [item.passes for item in standings],
        [item.clicks for item in standings],
        s=12,
        color="silver",
        label="tried",
    )
    edge = [standings[i] for i in choice.front]
    axes.step(
        [item.passes for item in edge],
        [item.clicks for item in edge],
        where="post",
        marker="o",
        label="efficient front",
    )
    for title, place, marker in (
        ("today", choice.current, "s"),
        ("recommended", choice.recommended, "*"),
    ):
        item = standings[place]
        label = f"{title}: {describe(item.policy)}"
        axes.plot(item.passes, item.clicks, marker, markersize=11, label=label)
    axes.set(xlabel="passes per object", ylabel=_noc(choice))
    axes.grid(alpha=0.3)
    axes.legend(fontsize="small")


def _noc(choice: Selection) -> str:
    return f"NoC@{percent(choice.objective.threshold)}"


def _policy_row(choice: Selection, place: int) -> Row:
    item = choice.standings[place]
    on_front = "yes" if place in choice.front else "no"
    clicks, passes = f"{item.clicks:.2f}", f"{item.passes:.2f}"
    return [describe(item.policy), clicks, str(item.failed), passes, on_front]


def _comparison_table(noc: str, base: str, comparisons: Sequence[PolicyComparison]) -> list[Row]:
    head = [f"against {base}", noc, "passes per object", "IoU@1"]
    return [
        head,
        *(
            [item.dataset, item.clicks.signed(), item.passes.signed(), item.first_iou.signed()]
            for item in comparisons
        ),
    ]


def _plain(choice: Selection) -> dict[str, Any]:
    content = asdict(choice)
    content["goal"] = content.pop("objective")
    for entry, standing in zip(content["standings"], choice.standings, strict=True):
        entry["name"] = describe(standing.policy)
    content["savings"]["factor"] = choice.savings.factor
    return content
