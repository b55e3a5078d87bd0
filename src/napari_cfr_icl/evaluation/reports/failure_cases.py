"""Finds the worst cases of a run and makes their masks again, to be drawn."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from napari_cfr_icl._errors import InputError
from napari_cfr_icl._files import explained_write_failures
from napari_cfr_icl.engine.source import ImageSource
from napari_cfr_icl.evaluation.protocol.distributed import Share
from napari_cfr_icl.evaluation.protocol.predictors import for_set, predictors_for
from napari_cfr_icl.evaluation.reports.failure_page import (
    FailureCase,
    case_of,
    worst_of,
    write_page,
)
from napari_cfr_icl.evaluation.reports.file_names import file_stem
from napari_cfr_icl.evaluation.reports.tables import method_titles

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_cfr_icl.engine.predictor import Predictor
    from napari_cfr_icl.evaluation.datasets.dataset import Dataset
    from napari_cfr_icl.evaluation.protocol.options import EvaluateOptions
    from napari_cfr_icl.evaluation.protocol.records import Method, Record
    from napari_cfr_icl.evaluation.reports.results import Result

_log = logging.getLogger(__name__)


def write_worst_cases(
    options: EvaluateOptions,
    datasets: Sequence[Dataset],
    results: Sequence[Result],
    records: Sequence[Record],
) -> None:
    """One page for each data set and model, under the method that needs the fewest clicks.

    Raises
    ------
    OutputError
        When a page cannot be written.
    """
    if options.worst == 0:
        return
    titles = method_titles([result.method for result in results])
    for model in options.models:
        device = Share.from_environment().device(options.device)
        predictors = predictors_for(model, options, device)
        for dataset in datasets:
            best = _best(dataset.name, model, results)
            if best is None:
                continue
            candidates = [
                record
                for record in records
                if record.subject.dataset == dataset.name and record.method == best
            ]
            predictor = for_set(predictors[best], best, dataset.window_scale)
            cases = cases_of(worst_of(candidates, options.worst), dataset, predictor)
            if not cases:
                continue
            path = options.out / f"{file_stem(f'worst {dataset.name} {model}')}.png"
            title = f"{dataset.name}, {titles[best]}: the worst of {len(candidates)}"
            with explained_write_failures(options.out):
                write_page(cases, title, path)


def cases_of(
    records: Sequence[Record], dataset: Dataset, predictor: Predictor
) -> list[FailureCase]:
    """The cases of these records, in their order; of pictures that can still be read."""
    pictures = {picture.key: picture for picture in dataset.pictures}
    cases = []
    for record in records:
        picture = pictures[record.subject.picture]
        try:
            objects = {item.key: item for item in picture.objects()}
            image = ImageSource.of(picture.image())
            truth = objects[record.subject.object].truth()
        except (InputError, OSError) as error:
            # A finished run is reported again after years; a drawing is not worth its tables.
            _log.warning("%s is not drawn: %s", record.subject.name, error)
            continue
        cases.append(case_of(record, image, truth, predictor))
    return cases


def _best(dataset: str, model: str, results: Sequence[Result]) -> Method | None:
    mine = [item for item in results if (item.dataset, item.method.model) == (dataset, model)]
    if not mine:
        return None
    return min(mine, key=lambda item: sum(noc.mean for noc in item.noc.values())).method
