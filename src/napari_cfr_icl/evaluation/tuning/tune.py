"""The search for the policy of the inner loop that saves most clicks for its passes."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from napari_cfr_icl import zoo
from napari_cfr_icl.engine.predictor import Predictor
from napari_cfr_icl.evaluation.protocol.distributed import Share, gather_text, together
from napari_cfr_icl.evaluation.protocol.options import (
    OWN_SCHEME,
)
from napari_cfr_icl.evaluation.protocol.result_log import ResultLog, read_logs
from napari_cfr_icl.evaluation.protocol.run_identity import claim, datasets_identity, fingerprint
from napari_cfr_icl.evaluation.protocol.settings_file import settings_for, settings_to_json
from napari_cfr_icl.evaluation.protocol.skipped import SkippedPictures, nothing_left, without
from napari_cfr_icl.evaluation.protocol.work_list import open_datasets
from napari_cfr_icl.evaluation.tuning.findings import SearchFinding, in_order
from napari_cfr_icl.evaluation.tuning.search import SearchProgress, search
from napari_cfr_icl.evaluation.tuning.selection import Selection, select
from napari_cfr_icl.evaluation.tuning.tune_report import write_choice

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from napari_cfr_icl.evaluation.datasets.dataset import Dataset
    from napari_cfr_icl.evaluation.protocol.skipped import SkippedPicture
    from napari_cfr_icl.evaluation.tuning.options import TuneOptions


def tune(
    options: TuneOptions,
    on_progress: Callable[[SearchProgress], None] | None = None,
    on_skipped: Callable[[SkippedPicture], None] | None = None,
) -> Selection | None:
    """Search, or go on where a search with the same options was interrupted, and write the choice.

    Under torchrun every process takes a share of the objects, and the first one chooses.

    Parameters
    ----------
    options : TuneOptions
        What to do.
    on_progress : callable, optional
        Called after every object; an exception that it raises ends the search, which can be
        resumed.
    on_skipped : callable, optional
        Called for every picture that cannot be read; in the first process for those of all.

    Returns
    -------
    Selection or None
        None in all processes but the first.

    Raises
    ------
    CfrIclError
        When an option, a data set, the model or the folder of the results cannot be used, or no
        picture.
    """
    share = Share.from_environment()
    datasets = open_datasets(options.datasets, options.reader)
    predictor = _predictor(options, share)
    plan = options.plan(predictor.settings.refinement)
    with together(share):
        claim(options.out, _identity(options, datasets, predictor), share)
        known = read_logs(options.out, SearchFinding.from_line)
        finished = {finding.subject.index for finding in known}
        unreadable = SkippedPictures(on_skipped)
        with ResultLog(options.out, share.rank) as journal:
            for progress in search(predictor, datasets, plan, share, finished, unreadable):
                journal.append(progress.finding)
                if on_progress is not None:
                    on_progress(progress)
        skipped = unreadable.gathered(share)
        findings = without(skipped, _gathered(options, share))
    if share.rank != 0:
        return None
    if not findings:
        raise nothing_left(skipped, "There is no object to search on in these data sets.")
    choice = select(findings, plan.policies, plan.current, options.what_counts)
    write_choice(choice, predictor.settings, options.out, skipped)
    return choice


def _predictor(options: TuneOptions, share: Share) -> Predictor:
    network = zoo.load(options.model)
    settings = settings_for(options.preset, OWN_SCHEME, network)
    settings = replace(settings, precision=options.precision or settings.precision)
    return Predictor(network, settings, share.device(options.device))


def _identity(
    options: TuneOptions, datasets: Sequence[Dataset], predictor: Predictor
) -> dict[str, Any]:
    return {
        "datasets": datasets_identity(datasets, options.datasets),
        "reader": {**asdict(options.reader), "images": None},
        "models": {options.model: fingerprint(zoo.load(options.model))},
        "settings": settings_to_json(predictor.settings),
        "grid": asdict(options.grid),
        "protocol": asdict(options.protocol),
        "sample": asdict(options.sample),
    }


def _gathered(options: TuneOptions, share: Share) -> list[SearchFinding]:
    known = read_logs(options.out, SearchFinding.from_line)
    own = [finding for finding in known if share.has(finding.subject.index)]
    texts = gather_text(share, "".join(finding.to_line() + "\n" for finding in own))
    return in_order(
        SearchFinding.from_line(line) for text in texts for line in text.splitlines() if line
    )
