"""The search for the policy of the inner loop that saves most clicks for its passes."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from napari_cfr_icl import zoo
from napari_cfr_icl.engine.predictor import Predictor
from napari_cfr_icl.engine.runtime.distributed import joined
from napari_cfr_icl.evaluation.protocol.options import OWN_SCHEME
from napari_cfr_icl.evaluation.protocol.result_log import ResultLog, gather_logs, read_logs
from napari_cfr_icl.evaluation.protocol.run_identity import claim, datasets_identity, fingerprint
from napari_cfr_icl.evaluation.protocol.settings_file import settings_for
from napari_cfr_icl.evaluation.protocol.skipped import SkippedPictures, nothing_left, without
from napari_cfr_icl.evaluation.protocol.work_list import check_any_fits, open_datasets
from napari_cfr_icl.evaluation.tuning.search import search
from napari_cfr_icl.evaluation.tuning.search_records import SearchRecord, in_order
from napari_cfr_icl.evaluation.tuning.selection import Selection, select
from napari_cfr_icl.evaluation.tuning.tune_report import write_choice

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from napari_cfr_icl.engine.models import ClickModel
    from napari_cfr_icl.engine.settings import Settings
    from napari_cfr_icl.evaluation.datasets.dataset import Dataset
    from napari_cfr_icl.evaluation.protocol.eta import Progress
    from napari_cfr_icl.evaluation.protocol.skipped import SkippedPicture
    from napari_cfr_icl.evaluation.tuning.options import TuneOptions


def tune(
    options: TuneOptions,
    on_progress: Callable[[Progress[SearchRecord]], None] | None = None,
    on_skipped: Callable[[SkippedPicture], None] | None = None,
    on_stage: Callable[[str], None] = lambda text: None,
) -> Selection | None:
    """Search, or go on where a search with the same options was interrupted, and write the choice.

    Under torchrun every process takes a share of the objects, and the first one chooses.

    Parameters
    ----------
    options : TuneOptions
        The search.
    on_progress : callable, optional
        Called after every object; an exception that it raises ends the search, which can be
        resumed.
    on_skipped : callable, optional
        Called for every picture that cannot be read; in the first process for those of all.
    on_stage : callable, optional
        Called with what is done from now on until the next stage or the first object.

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
    on_stage("Reading the pictures")
    datasets = open_datasets(options.datasets, options.reader)
    skipped = SkippedPictures(on_skipped)
    if next(read_logs(options.out, SearchRecord.from_line), None) is None:
        check_any_fits(datasets, options.sample, skipped)
    on_stage("Loading the model")
    with joined(options.device) as processes:
        network = zoo.load(options.model)
        settings = settings_for(options.preset, OWN_SCHEME, network)
        settings = replace(settings, precision=options.precision)
        claim(options.out, _identity(options, datasets, network, settings), processes)
        predictor = Predictor(network, settings, str(processes.device))
        plan = options.plan(settings.refinement)
        on_stage(f"Clicking the first object under {len(plan.policies)} settings")
        finished = {each.subject.index for each in read_logs(options.out, SearchRecord.from_line)}
        with ResultLog(options.out, processes.rank) as log:
            for progress in search(predictor, datasets, plan, processes, finished, skipped):
                log.append(progress.result)
                if on_progress is not None:
                    on_progress(progress)
        pictures = skipped.gathered(processes)
        known = without(pictures, gather_logs(options.out, SearchRecord.from_line, processes))
    if not processes.leads:
        return None
    if not known:
        raise nothing_left(pictures, "There is no object to search on in these data sets.")
    choice = select(in_order(known), plan.policies, plan.current, options.objective)
    write_choice(choice, settings, options.out, pictures)
    return choice


def _identity(
    options: TuneOptions, datasets: Sequence[Dataset], network: ClickModel, settings: Settings
) -> dict[str, Any]:
    return {
        "datasets": datasets_identity(datasets, options.datasets),
        "reader": {**asdict(options.reader), "images": None},
        "models": {options.model: fingerprint(network)},
        "settings": asdict(settings),
        "grid": asdict(options.grid),
        "protocol": asdict(options.protocol),
        "sample": asdict(options.sample),
    }
