"""Tries policies of the inner loop on one object after another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_cfr_icl.evaluation.protocol.distributed import Share
from napari_cfr_icl.evaluation.protocol.eta import Eta
from napari_cfr_icl.evaluation.protocol.simulated_users import user_for
from napari_cfr_icl.evaluation.protocol.skipped import SkippedPictures
from napari_cfr_icl.evaluation.protocol.work_list import pages
from napari_cfr_icl.evaluation.tuning.findings import SearchFinding
from napari_cfr_icl.evaluation.tuning.replay import replay_policies

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from napari_cfr_icl.engine.predictor import Predictor
    from napari_cfr_icl.engine.source import ImageSource
    from napari_cfr_icl.evaluation.datasets.dataset import Dataset
    from napari_cfr_icl.evaluation.protocol.records import Subject
    from napari_cfr_icl.evaluation.tuning.options import Plan


@dataclass(frozen=True, slots=True)
class SearchProgress:
    """How far a search is.

    Parameters
    ----------
    fraction : float
        Share of this process's work that is done, 0 to 1.
    seconds_left : float or None
        How long the rest will take at this pace; None before anything was timed.
    finding : SearchFinding
        What was just found.
    """

    fraction: float
    seconds_left: float | None
    finding: SearchFinding


def search(
    predictor: Predictor,
    datasets: Sequence[Dataset],
    plan: Plan,
    share: Share | None = None,
    finished: Collection[int] = (),
    unreadable: SkippedPictures | None = None,
) -> Iterator[SearchProgress]:
    """Try all policies on every object; stop iterating to cancel.

    Parameters
    ----------
    predictor : Predictor
        The network, and everything but the inner loop.
    datasets : sequence of Dataset
        Images with finished labels.
    plan : Plan
        What to try.
    share : Share, optional
        The objects of this process; all by default.
    finished : collection of int
        Numbers of objects to pass over.
    unreadable : SkippedPictures, optional
        Takes the pictures that cannot be read.

    Yields
    ------
    SearchProgress
        One for each object.
    """
    share, pace, unreadable = share or Share(), Eta(), unreadable or SkippedPictures()
    for page in pages(datasets, plan.sample, unreadable):
        missing = [
            (index, item)
            for index, item in page.objects
            if share.has(index) and index not in finished
        ]
        image = page.image(unreadable) if missing else None
        if image is None:
            continue
        for done, (index, item) in enumerate(missing, start=1):
            truth = page.truth(item, image.shape, unreadable)
            if truth is None:
                break
            subject = page.subject(index, item, image.shape)
            finding = _finding(predictor, image, truth, subject, plan)
            fraction = (page.number + done / len(missing)) / page.count
            yield SearchProgress(fraction, pace.seconds_left(fraction), finding)


def _finding(
    predictor: Predictor,
    image: ImageSource,
    truth: NDArray[np.int8],
    subject: Subject,
    plan: Plan,
) -> SearchFinding:
    user = user_for(plan.protocol.user, plan.protocol.seed, subject.name)
    replay = replay_policies(predictor, image, truth, user, plan.policies, plan.protocol)
    return SearchFinding(subject, replay)
