"""An evaluation run: every object, clicked under every method, each result kept at once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from napari_cfr_icl.engine.clicks import Click, Clicks
from napari_cfr_icl.evaluation.protocol.batching import SideBySide
from napari_cfr_icl.evaluation.protocol.distributed import Share, gather_text, together
from napari_cfr_icl.evaluation.protocol.eta import Eta
from napari_cfr_icl.evaluation.protocol.predictors import (
    for_set,
    methods_of,
    predictors_for,
    through,
)
from napari_cfr_icl.evaluation.protocol.records import Method, Record, in_order
from napari_cfr_icl.evaluation.protocol.result_log import ResultLog, read_logs
from napari_cfr_icl.evaluation.protocol.run_identity import claim, identity_of
from napari_cfr_icl.evaluation.protocol.simulate import simulate
from napari_cfr_icl.evaluation.protocol.simulated_users import user_for
from napari_cfr_icl.evaluation.protocol.skipped import SkippedPictures, nothing_left, without
from napari_cfr_icl.evaluation.protocol.work_list import WorkItem, open_datasets, pages
from napari_cfr_icl.evaluation.reports.failure_cases import write_worst_cases
from napari_cfr_icl.evaluation.reports.report import write_report

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from napari_cfr_icl.engine.predictor import Predictor
    from napari_cfr_icl.engine.source import ImageSource
    from napari_cfr_icl.evaluation.datasets.dataset import Dataset, TrueObject
    from napari_cfr_icl.evaluation.protocol.options import EvaluateOptions
    from napari_cfr_icl.evaluation.protocol.skipped import SkippedPicture


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is.

    Parameters
    ----------
    fraction : float
        Share of this process's work that is done, 0 to 1.
    seconds_left : float or None
        How long the rest will take at this pace; None before anything was timed.
    record : Record
        What was just done.
    """

    fraction: float
    seconds_left: float | None
    record: Record


def evaluate(
    options: EvaluateOptions,
    on_progress: Callable[[Progress], None] | None = None,
    on_skipped: Callable[[SkippedPicture], None] | None = None,
) -> list[Record]:
    """Evaluate, or go on where a run with the same options was interrupted, and write the report.

    Under torchrun every process takes a share of the objects, and the first one writes the report.
    A picture that cannot be read is left out and tried again when the run is started again.

    Parameters
    ----------
    options : EvaluateOptions
        What to do.
    on_progress : callable, optional
        Called after every object; an exception that it raises ends the run, which can be resumed.
    on_skipped : callable, optional
        Called for every picture that cannot be read; in the first process for those of all.

    Returns
    -------
    list of Record
        One for each method and object, in order; empty in all processes but the first.

    Raises
    ------
    CfrIclError
        When an option, a data set, a model or the folder of the results cannot be used, or no
        picture.
    """
    share = Share.from_environment()
    datasets = open_datasets(options.datasets, options.reader)
    with together(share):
        claim(options.out, identity_of(options, datasets), share)
        unreadable = SkippedPictures(on_skipped)
        worker = _Worker(options, datasets, share, on_progress, unreadable)
        with ResultLog(options.out, share.rank) as journal:
            for number, model in enumerate(options.models):
                worker.run_model(model, number, journal)
        skipped = unreadable.gathered(share)
        known = without(skipped, _gathered(options, share))
        records = in_order(known, methods_of(options))
    if share.rank == 0:
        if not records:
            raise nothing_left(
                skipped,
                "There is no object to click in these data sets: look at the labels, and at the "
                "smallest area.",
            )
        results = write_report(options, records, skipped)
        write_worst_cases(options, datasets, results, records)
    return records


@dataclass(frozen=True, slots=True, eq=False)
class _Todo:
    """One object, by its number, to click under one method."""

    index: int
    item: TrueObject
    method: Method


class _Worker:
    """One process's share of the work."""

    def __init__(
        self,
        options: EvaluateOptions,
        datasets: Sequence[Dataset],
        share: Share,
        on_progress: Callable[[Progress], None] | None,
        unreadable: SkippedPictures,
    ) -> None:
        self._options = options
        self._datasets = datasets
        self._share = share
        self._on_progress = on_progress
        self._unreadable = unreadable
        self._finished = {record.key for record in read_logs(options.out, Record.from_line)}
        self._pace = Eta()

    def run_model(self, model: str, number: int, journal: ResultLog) -> None:
        methods = methods_of(self._options, model)
        predictors = predictors_for(model, self._options, self._share.device(self._options.device))
        warm = False
        for page in pages(self._datasets, self._options.sample, self._unreadable):
            missing = self._missing(page, methods)
            image = page.image(self._unreadable) if missing else None
            if image is None:
                continue
            if not warm:
                _warm_up(predictors.values(), image)
                warm = True
            for done, record in enumerate(self._records(page, missing, image, predictors), start=1):
                journal.append(record)
                pages_done = page.number + done / len(missing)
                self._report(number, pages_done / page.count, record)

    def _records(
        self,
        page: WorkItem,
        missing: Sequence[_Todo],
        image: ImageSource,
        predictors: Mapping[Method, Predictor],
    ) -> Iterator[Record]:
        """Click the objects of a page one after the other, or several side by side."""
        if self._options.batch == 1:
            for job in self._jobs(page, missing, image, predictors):
                yield job()
            return
        desk: SideBySide[Record] = SideBySide(self._options.batch)
        gathered = {
            method: through(predictor, desk.gathered) for method, predictor in predictors.items()
        }
        yield from desk.results(self._jobs(page, missing, image, gathered))

    def _jobs(
        self,
        page: WorkItem,
        missing: Sequence[_Todo],
        image: ImageSource,
        predictors: Mapping[Method, Predictor],
    ) -> Iterator[Callable[[], Record]]:
        """What is to do on a page, each object's truth read when its turn comes."""
        for todo in missing:
            truth = page.truth(todo.item, image.shape, self._unreadable)
            if truth is None:
                return
            predictor = for_set(predictors[todo.method], todo.method, page.window_scale)
            yield partial(self._one, page, todo, predictor, image, truth)

    def _missing(self, page: WorkItem, methods: Sequence[Method]) -> list[_Todo]:
        return [
            _Todo(index, item, method)
            for index, item in page.objects
            if self._share.has(index)
            for method in methods
            if (method, index) not in self._finished
        ]

    def _one(
        self,
        page: WorkItem,
        todo: _Todo,
        predictor: Predictor,
        image: ImageSource,
        truth: NDArray[np.int8],
    ) -> Record:
        subject = page.subject(todo.index, todo.item, image.shape)
        protocol = self._options.protocol
        user = user_for(protocol.user, protocol.seed, subject.name)
        done = simulate(predictor, image, truth, user, protocol)
        return Record.of(todo.method, subject, done, predictor.network.arithmetic)

    def _report(self, model_number: int, fraction: float, record: Record) -> None:
        overall = (model_number + fraction) / len(self._options.models)
        left = self._pace.seconds_left(overall)
        if self._on_progress is not None:
            self._on_progress(Progress(overall, left, record))


def _warm_up(predictors: Iterable[Predictor], image: ImageSource) -> None:
    """Let the networks compile and allocate before anything is timed."""
    middle = Click(image.shape[0] // 2, image.shape[1] // 2)
    for predictor in predictors:
        predictor.predict(image, Clicks([middle]))


def _gathered(options: EvaluateOptions, share: Share) -> list[Record]:
    """Every record that any process knows; the processes may not share a disk."""
    own = [
        record
        for record in read_logs(options.out, Record.from_line)
        if share.has(record.subject.index)
    ]
    texts = gather_text(share, "".join(record.to_line() + "\n" for record in own))
    return [Record.from_line(line) for text in texts for line in text.splitlines() if line]
