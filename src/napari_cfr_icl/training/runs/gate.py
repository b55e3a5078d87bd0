"""The gate of a finished run: base and tuned network click the same held-out objects."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_cfr_icl import zoo
from napari_cfr_icl._files import explained_write_failures
from napari_cfr_icl.training.runs.gate_report import write_report
from napari_cfr_icl.training.runs.held_out import click_held_out
from napari_cfr_icl.training.runs.verdict import GateTrial, choose_objects, compare, decide

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from torch import Tensor

    from napari_cfr_icl.training.runs.setup import Run
    from napari_cfr_icl.training.runs.verdict import Verdict


def judge(
    run: Run, tuned: Mapping[str, Tensor], on_object: Callable[[int], None] | None = None
) -> Verdict | None:
    """Compare, and write `gate/report.md` and `gate/verdict.json` into the run's folder.

    Parameters
    ----------
    run : Run
        A finished run; all its processes take part.
    tuned : mapping
        The weights it ends with.
    on_object : callable, optional
        Hears how many objects were clicked.

    Returns
    -------
    Verdict or None
        None where no object is held out, or no gate is wanted.
    """
    options = run.options.validation
    objects, fresh = choose_objects(run.held_out, options)
    if not objects:
        return None
    networks = {"base": zoo.load(run.options.base).state_dict(), "tuned": tuned}
    clicked = [
        click_held_out(run.architecture, weights, objects, options, run.processes, on_object)
        for weights in networks.values()
    ]
    trial = GateTrial(objects, *clicked)
    verdict = decide(compare(trial, options.max_clicks), options.target, fresh)
    if run.processes.leads:
        place = run.folder.path / "gate"
        with explained_write_failures(place):
            place.mkdir(exist_ok=True)
            write_report(place, verdict, trial, run, networks)
            verdict.save(place / "verdict.json")
    return verdict
