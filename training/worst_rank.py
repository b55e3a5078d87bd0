"""Rank models on each set, and choose the one whose worst rank is best.

    napari-cfr-icl evaluate SETS/*/val --format folder --model A --model B --out RESULTS ...
    python training/worst_rank.py RESULTS

A mean over sets would choose a model that is excellent on nuclei and useless on photos. Ranks are
by mean NoC@90; equal means share a rank, and equal worst ranks are decided by the mean rank.
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path  # noqa: TC003, cyclopts reads the annotations

import cyclopts
import numpy as np

from napari_cfr_icl.evaluation.protocol.metrics import noc
from napari_cfr_icl.evaluation.protocol.records import Method, Record
from napari_cfr_icl.evaluation.protocol.result_log import read_logs


def choose(results: Path, /, *, iou: float = 0.9, max_clicks: int = 10) -> None:
    """Print the means and ranks, the best model first.

    Parameters
    ----------
    results : Path
        The folder of an evaluation.
    iou : float
        The IoU whose clicks are counted.
    max_clicks : int
        Most clicks of that evaluation.
    """
    clicks: dict[Method, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    for record in read_logs(results, Record.from_line):
        needed = noc(record.ious, iou, max_clicks)
        clicks[record.method][record.subject.dataset].append(needed)
    methods, sets = list(clicks), sorted({name for sets in clicks.values() for name in sets})
    means = np.array([[np.mean(clicks[method][name]) for name in sets] for method in methods])
    ranks = 1 + (means[:, None] > means[None] + 1e-9).sum(axis=1)
    order = sorted(range(len(methods)), key=lambda i: (ranks[i].max(), ranks[i].mean()))
    for place in order:
        method = methods[place]
        print(f"worst rank {ranks[place].max()}, mean {ranks[place].mean():.2f}: {method}")
        for name, mean, rank in zip(sets, means[place], ranks[place], strict=True):
            print(f"  {name:14s} {mean:5.2f}  ({rank})")


if __name__ == "__main__":
    cyclopts.run(choose)
