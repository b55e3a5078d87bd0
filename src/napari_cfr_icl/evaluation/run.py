"""An evaluation run: every object, clicked under every method, each result kept at once."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from napari_cfr_icl import zoo
from napari_cfr_icl.engine.clicks import Click, Clicks
from napari_cfr_icl.engine.runtime.distributed import joined
from napari_cfr_icl.evaluation.protocol.batching import SideBySide
from napari_cfr_icl.evaluation.protocol.eta import Eta, Progress
from napari_cfr_icl.evaluation.protocol.predictors import (
    for_set,
    methods_of,
    predictors_for,
    through,
)
from napari_cfr_icl.evaluation.protocol.records import Method, Record, in_order
from napari_cfr_icl.evaluation.protocol.result_log import ResultLog, gather_logs, read_logs
from napari_cfr_icl.evaluation.protocol.run_identity import claim, identity_of
from napari_cfr_icl.evaluation.protocol.simulate import simulate
from napari_cfr_icl.evaluation.protocol.simulated_gestures import begun_with
from napari_cfr_icl.evaluation.protocol.simulated_users import user_for
from napari_cfr_icl.evaluation.protocol.skipped import SkippedPictures, nothing_left, without
from napari_cfr_icl.evaluation.protocol.work_list import (
    WorkItem,
    check_any_fits,
    open_datasets,
    work_items,
)
from napari_cfr_icl.evaluation.reports.failure_cases import write_failure_cases
from napari_cfr_icl.evaluation.reports.report import write_report
from napari_cfr_icl.zoo.loading import locate
from napari_cfr_icl.zoo.store import ModelStore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from napari_cfr_icl.engine.predictor import Predictor
    from napari_cfr_icl.engine.runtime.distributed import Distributed
    from napari_cfr_icl.engine.source import ImageSource
    from napari_cfr_icl.evaluation.datasets.dataset import Dataset, TrueObject
    from napari_cfr_icl.evaluation.protocol.options import EvaluateOptions
    from napari_cfr_icl.evaluation.protocol.records import Subject
    from napari_cfr_icl.evaluation.protocol.simulate import Simulation
    from napari_cfr_icl.evaluation.protocol.skipped import SkippedPicture

_Todo = tuple[int, "TrueObject", Method]
"""An object, by its number, to click under a method."""


def evaluate(
    options: EvaluateOptions,
    on_progress: Callable[[Progress[Record]], None] | None = None,
    on_skipped: Callable[[SkippedPicture], None] | None = None,
) -> list[Record]:
    """Evaluate, or go on where a run with the same options was interrupted, and write the report.

    Under torchrun every process takes a share of the objects, and the first one writes the report.
    Models are loaded one after the other, each once. A picture that cannot be read is left out and
    tried again when the run is started again.

    Parameters
    ----------
    options : EvaluateOptions
        Data sets, models, presets and schemes.
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
    datasets = open_datasets(options.datasets, options.reader)
    for model in options.models[1:]:
        locate(model, ModelStore())  # a missing model is told now, not when its turn comes
    skipped = SkippedPictures(on_skipped)
    if next(read_logs(options.out, Record.from_line), None) is None:
        check_any_fits(datasets, options.sample, skipped)
    with joined(options.device) as processes:
        worker = _Worker(options, datasets, processes, on_progress, skipped)
        for number, model in enumerate(options.models):
            worker.evaluate_model(model, number)
        pictures = skipped.gathered(processes)
        known = without(pictures, gather_logs(options.out, Record.from_line, processes))
    if not processes.leads:
        return []
    records = in_order(known, methods_of(options))
    if not records:
        raise nothing_left(
            pictures,
            "There is no object to click in these data sets: look at the labels, and at the "
            "smallest area.",
        )
    write_report(options, records, pictures)
    return records


class _Worker:
    """One process's share of the work."""

    def __init__(
        self,
        options: EvaluateOptions,
        datasets: Sequence[Dataset],
        processes: Distributed,
        on_progress: Callable[[Progress[Record]], None] | None,
        skipped: SkippedPictures,
    ) -> None:
        self._options = options
        self._datasets = datasets
        self._processes = processes
        self._on_progress = on_progress
        self._skipped = skipped
        self._eta = Eta()

    def evaluate_model(self, model: str, number: int) -> None:
        """Load a model, click every object with it, and draw its worst cases."""
        options, processes = self._options, self._processes
        network = zoo.load(model)
        claim(options.out, identity_of(options, self._datasets, {model: network}), processes)
        predictors = predictors_for(model, network, options, str(processes.device))
        with ResultLog(options.out, processes.rank) as log:
            for fraction, record in self._results(predictors):
                log.append(record)
                overall = (number + fraction) / len(options.models)
                left = self._eta.seconds_left(overall)
                if self._on_progress is not None:
                    self._on_progress(Progress(overall, left, record))
        if options.worst:
            pictures = self._skipped.gathered(processes)
            found = without(pictures, gather_logs(options.out, Record.from_line, processes))
            if processes.leads:
                records = in_order(found, list(predictors))
                write_failure_cases(options, self._datasets, predictors, records)

    def _results(self, predictors: Mapping[Method, Predictor]) -> Iterator[tuple[float, Record]]:
        """The records that are missing, each with the share of the model's work done then."""
        known = read_logs(self._options.out, Record.from_line)
        finished = {record.key for record in known}
        warm = False
        for work in work_items(self._datasets, self._options.sample, self._skipped):
            missing = [
                (index, item, method)
                for index, item in work.objects
                if self._processes.owns(index)
                for method in predictors
                if (method, index) not in finished
            ]
            image = work.image(self._skipped) if missing else None
            if image is None:
                continue
            if not warm:
                _warm_up(predictors.values(), image)
                warm = True
            for done, record in enumerate(self._clicked(work, missing, image, predictors), start=1):
                yield (work.number + done / len(missing)) / work.count, record

    def _clicked(
        self,
        work: WorkItem,
        missing: Sequence[_Todo],
        image: ImageSource,
        predictors: Mapping[Method, Predictor],
    ) -> Iterator[Record]:
        """Click the objects of a picture one after the other, or several side by side."""
        if self._options.batch == 1:
            for job in self._jobs(work, missing, image, predictors):
                yield job()
            return
        batcher: SideBySide[Record] = SideBySide(self._options.batch)
        gathered = {
            method: through(predictor, batcher.gathered) for method, predictor in predictors.items()
        }
        yield from batcher.results(self._jobs(work, missing, image, gathered))

    def _jobs(
        self,
        work: WorkItem,
        missing: Sequence[_Todo],
        image: ImageSource,
        predictors: Mapping[Method, Predictor],
    ) -> Iterator[Callable[[], Record]]:
        """One job for each record, the object's truth read when its turn comes."""
        protocol = self._options.protocol
        for index, item, method in missing:
            truth = work.truth(item, image.shape, self._skipped)
            if truth is None:
                return
            subject = work.subject(index, item, image.shape)
            user = user_for(protocol.user, protocol.seed, subject.name)
            predictor = for_set(predictors[method], method, work.window_scale)
            begin = begun_with(protocol, truth, subject.name)
            clicks = partial(simulate, predictor, image, truth, user, protocol, begin)
            yield partial(_record, method, subject, predictor, clicks)


def _record(
    method: Method,
    subject: Subject,
    predictor: Predictor,
    clicks: Callable[[], Sequence[Simulation]],
) -> Record:
    # The arithmetic is known once something was predicted.
    return Record.of(method, subject, clicks(), predictor.network.arithmetic)


def _warm_up(predictors: Iterable[Predictor], image: ImageSource) -> None:
    """Let the networks compile and allocate before anything is timed."""
    middle = Click(image.shape[0] // 2, image.shape[1] // 2)
    for predictor in predictors:
        predictor.predict(image, Clicks([middle]))
