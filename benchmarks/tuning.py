"""How many passes the search for settings saves by replaying, and whether that changes its answer.

`tune` records the inner loop of a click once and decides from the recording where every setting
would have stopped. Here the same objects are also clicked under each setting by itself, and both
are counted and compared: every IoU after every click, the table, and the setting that is chosen.

    python benchmarks/tuning.py FOLDER [--objects 8] [--clicks 5] [--compute-all]

A pass is counted whenever the network is asked. An input that it was given before, bit by bit, is
answered from memory, or else the passes of some 230 settings would take hours; --compute-all takes
that time.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from napari_cfr_icl import zoo
from napari_cfr_icl.engine import Predictor
from napari_cfr_icl.evaluation.datasets import ReaderOptions
from napari_cfr_icl.evaluation.protocol.options import OWN_SCHEME, DatasetChoice, SampleOptions
from napari_cfr_icl.evaluation.protocol.predictors import through, with_settings
from napari_cfr_icl.evaluation.protocol.settings_file import settings_for
from napari_cfr_icl.evaluation.protocol.simulate import simulate
from napari_cfr_icl.evaluation.protocol.simulated_users import user_for
from napari_cfr_icl.evaluation.protocol.skipped import SkippedPictures
from napari_cfr_icl.evaluation.protocol.work_list import open_datasets, work_items
from napari_cfr_icl.evaluation.tuning.options import TuneOptions
from napari_cfr_icl.evaluation.tuning.policies import describe
from napari_cfr_icl.evaluation.tuning.replay import PolicyTrial, Replay
from napari_cfr_icl.evaluation.tuning.search import search
from napari_cfr_icl.evaluation.tuning.search_records import SearchRecord
from napari_cfr_icl.evaluation.tuning.selection import select
from napari_cfr_icl.evaluation.tuning.tune_report import policy_table

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy as np
    import torch
    from numpy.typing import NDArray

    from napari_cfr_icl.engine.runtime.arithmetic import Run
    from napari_cfr_icl.engine.source import ImageSource
    from napari_cfr_icl.evaluation.datasets.dataset import Dataset
    from napari_cfr_icl.evaluation.protocol.records import Subject
    from napari_cfr_icl.evaluation.tuning.options import SearchPlan

    Case = tuple[Subject, ImageSource, NDArray[np.int8]]

BAR = 5
"""Replaying should take so many times fewer passes."""


def main() -> None:
    """Search both ways and print what each took and what it came to."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="with images/ and labels/")
    parser.add_argument("--objects", type=int, default=8, help="each of another picture")
    parser.add_argument("--clicks", type=int, default=5, help="most clicks")
    parser.add_argument("--min-area", type=int, default=150, help="pixels of the smallest object")
    parser.add_argument("--goal", type=float, default=0.9, help="IoU to reach")
    parser.add_argument("--model", default=zoo.DEFAULT_MODEL, help="name or file")
    parser.add_argument("--compute-all", action="store_true", help="answer nothing from memory")
    given = parser.parse_args()
    options = TuneOptions(
        (DatasetChoice(given.folder),),
        Path("nothing is written"),
        given.model,
        goal=given.goal,
        max_clicks=given.clicks,
        sample=SampleOptions(given.objects, objects_per_picture=1),
        reader=ReaderOptions(min_area=given.min_area),
    )
    compare(options, given.compute_all)


def compare(options: TuneOptions, compute_all: bool) -> None:
    """Search both ways, object by object, and print the comparison."""
    model = zoo.load(options.model)
    settings = settings_for(options.preset, OWN_SCHEME, model)
    predictor = Predictor(model, settings)
    datasets = open_datasets(options.datasets, options.reader)
    plan = options.plan(settings.refinement)
    known: dict[bytes, torch.Tensor] | None = None if compute_all else {}
    replaying, separately = Counter(known), Counter(known)
    steps = search(through(predictor, replaying.around), datasets, plan)
    one_by_one = through(predictor, separately.around)
    begun, replayed, separate = time.perf_counter(), [], []
    for step, case in zip(steps, cases(datasets, plan), strict=True):
        replayed.append(step.result)
        separate.append(each_by_itself(one_by_one, case, plan))
        if known is not None:
            known.clear()  # no other object asks the same
        sys.stderr.write(f"{len(separate)} objects, {time.perf_counter() - begun:.0f} s\n")
    print_passes(replaying, separately, len(plan.policies), len(separate))
    print_answers(replayed, separate, plan, options)


class Counter:
    """Counts the passes of a network, and answers from memory what was asked before.

    Parameters
    ----------
    known : dict or None
        The memory, which several may share; None remembers nothing.
    """

    def __init__(self, known: dict[bytes, torch.Tensor] | None) -> None:
        self._known = known
        self.asked = self.computed = 0

    def around(self, run: Run) -> Run:
        """The same way to run the network, counted."""

        def counted(*inputs: torch.Tensor) -> torch.Tensor:
            self.asked += 1
            if self._known is None:
                return self._computed(run, *inputs)
            key = b"".join(fingerprint(each) for each in inputs)
            if key not in self._known:
                self._known[key] = self._computed(run, *inputs)
            return self._known[key].clone()

        return counted

    def _computed(self, run: Run, *inputs: torch.Tensor) -> torch.Tensor:
        self.computed += 1
        return run(*inputs)


def fingerprint(tensor: torch.Tensor) -> bytes:
    """What tells tensors of different shape or content apart."""
    digest = hashlib.blake2b(str(tuple(tensor.shape)).encode())
    digest.update(tensor.cpu().float().contiguous().numpy().data)
    return digest.digest()


def cases(datasets: Sequence[Dataset], plan: SearchPlan) -> Iterator[Case]:
    """The objects that a search clicks, in its order: name, picture and truth."""
    skipped = SkippedPictures()
    for page in work_items(datasets, plan.sample, skipped):
        image = page.image(skipped)
        if image is None:
            continue
        for index, item in page.objects:
            truth = page.truth(item, image.shape, skipped)
            if truth is None:
                break
            yield page.subject(index, item, image.shape), image, truth


def each_by_itself(predictor: Predictor, case: Case, plan: SearchPlan) -> SearchRecord:
    """One object, clicked from the beginning under every setting."""
    subject, image, truth = case
    trials = []
    for policy in plan.policies:
        alone = with_settings(predictor, replace(predictor.settings, refinement=policy))
        user = user_for(plan.protocol.user, plan.protocol.seed, subject.name)
        done = simulate(alone, image, truth, user, plan.protocol)
        trials.append(PolicyTrial(tuple(c.iou for c in done), tuple(c.passes for c in done)))
    passes, loops = sum(sum(t.passes) for t in trials), sum(len(t.passes) for t in trials)
    return SearchRecord(subject, Replay(tuple(trials), passes, loops, partings=0))


def print_passes(replaying: Counter, separately: Counter, settings: int, objects: int) -> None:
    """What both ways took."""
    factor = separately.asked / replaying.asked
    print(
        f"{objects} objects, {settings} settings.\n"
        f"Passes: {replaying.asked} replayed, {separately.asked} each setting by itself: "
        f"{factor:.1f} times fewer (at least {BAR}: {_yes(factor >= BAR)}).\n"
        f"Computed: {replaying.computed}, and {separately.computed} more for each by itself."
    )


def print_answers(
    replayed: Sequence[SearchRecord],
    separate: Sequence[SearchRecord],
    plan: SearchPlan,
    options: TuneOptions,
) -> None:
    """Whether both ways came to the same."""
    same = [(f.subject, f.trials) for f in replayed] == [(f.subject, f.trials) for f in separate]
    first, second = (
        select(findings, plan.policies, plan.current, options.objective)
        for findings in (replayed, separate)
    )
    names = [describe(c.standings[c.recommended].policy) for c in (first, second)]
    print(
        f"Every IoU and every number of passes the same: {_yes(same)}.\n"
        f"Same table: {_yes(policy_table(first) == policy_table(second))}.\n"
        f"Same choice: {_yes(names[0] == names[1])} ({' / '.join(dict.fromkeys(names))})."
    )


def _yes(value: bool) -> str:
    return "yes" if value else "NO"


if __name__ == "__main__":
    main()
