"""Tries policies of the inner loop on one object after another."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_cfr_icl.engine.runtime.distributed import Distributed
from napari_cfr_icl.evaluation.protocol.eta import Eta, Progress
from napari_cfr_icl.evaluation.protocol.simulated_users import user_for
from napari_cfr_icl.evaluation.protocol.skipped import SkippedPictures
from napari_cfr_icl.evaluation.protocol.work_list import work_items
from napari_cfr_icl.evaluation.tuning.replay import replay_policies
from napari_cfr_icl.evaluation.tuning.search_records import SearchRecord

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from napari_cfr_icl.engine.predictor import Predictor
    from napari_cfr_icl.evaluation.datasets.dataset import Dataset
    from napari_cfr_icl.evaluation.tuning.options import SearchPlan


def search(
    predictor: Predictor,
    datasets: Sequence[Dataset],
    plan: SearchPlan,
    processes: Distributed | None = None,
    finished: Collection[int] = (),
    skipped: SkippedPictures | None = None,
) -> Iterator[Progress[SearchRecord]]:
    """Try all policies on every object; stop iterating to cancel.

    Parameters
    ----------
    predictor : Predictor
        The network, and everything but the inner loop.
    datasets : sequence of Dataset
        Images with finished labels.
    plan : SearchPlan
        Policies, objects and protocol.
    processes : Distributed, optional
        The processes that share the objects; one by default.
    finished : collection of int
        Numbers of objects to pass over.
    skipped : SkippedPictures, optional
        Takes the pictures that cannot be read.

    Yields
    ------
    Progress of SearchRecord
        One for each object.
    """
    processes, eta, skipped = processes or Distributed(), Eta(), skipped or SkippedPictures()
    policies, protocol = plan.policies, plan.protocol
    for work in work_items(datasets, plan.sample, skipped):
        missing = [
            (index, item)
            for index, item in work.objects
            if processes.owns(index) and index not in finished
        ]
        image = work.image(skipped) if missing else None
        if image is None:
            continue
        for done, (index, item) in enumerate(missing, start=1):
            truth = work.truth(item, image.shape, skipped)
            if truth is None:
                break
            subject = work.subject(index, item, image.shape)
            user = user_for(protocol.user, protocol.seed, subject.name)
            replay = replay_policies(predictor, image, truth, user, policies, protocol)
            fraction = (work.number + done / len(missing)) / work.count
            yield Progress(fraction, eta.seconds_left(fraction), SearchRecord(subject, replay))
