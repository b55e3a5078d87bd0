"""Validation: the robot user clicks held-out objects, as the person will who uses the network."""

from __future__ import annotations

from collections import deque
from dataclasses import astuple, dataclass, replace
from itertools import groupby
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cfr_icl.engine.clicks import Click
from napari_cfr_icl.engine.models import build
from napari_cfr_icl.engine.predictor import Predictor
from napari_cfr_icl.engine.source import ImageSource
from napari_cfr_icl.evaluation.datasets.dataset import IGNORED
from napari_cfr_icl.evaluation.protocol.metrics import failed, iou_at, noc
from napari_cfr_icl.evaluation.protocol.options import Protocol
from napari_cfr_icl.evaluation.protocol.settings_file import settings_for
from napari_cfr_icl.evaluation.protocol.simulate import Simulation, simulate
from napari_cfr_icl.evaluation.protocol.simulated_users import RobotUser
from napari_cfr_icl.training.steps.precision import for_measuring, precision_on

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from napari_cfr_icl.engine.runtime.distributed import Distributed
    from napari_cfr_icl.training.data.check import ImageRecord
    from napari_cfr_icl.training.data.splits import SplitRecords
    from napari_cfr_icl.training.options import ValidationOptions

THRESHOLDS = (0.80, 0.85, 0.90)
Curve = list[float]
_TIE = 1e-3  # clicks; far below what one object changes


@dataclass(frozen=True, slots=True, eq=False)
class HeldOut:
    """One object to be clicked.

    Attributes
    ----------
    collection : str
    record : ImageRecord
        Its picture.
    label : int
        Its id there.
    ignored_id : int
        The id whose pixels count neither way; 0 for none.
    """

    collection: str
    record: ImageRecord
    label: int
    ignored_id: int = 0

    @property
    def picture(self) -> str:
        """The picture's name among all collections: objects of one picture are alike."""
        return f"{self.collection}/{self.record.example.key}"

    def truth(self) -> NDArray[np.int8]:
        """1 on the object, 0 elsewhere, -1 where the truth is unknown; (rows, columns)."""
        labels = self.record.example.labels()
        truth = np.asarray(labels == self.label, np.int8)
        unknown = labels < 0
        truth[unknown | (labels == self.ignored_id) if self.ignored_id else unknown] = IGNORED
        return truth


def rank_held_out(
    collections: Sequence[SplitRecords], min_area: int, ignored_id: int = 0
) -> list[HeldOut]:
    """All held-out objects in an order whose beginning is spread as evenly as can be.

    The collections take turns, and within each the pictures. The order depends on nothing but the
    pictures, so that two runs can be compared.

    Parameters
    ----------
    collections : sequence of SplitRecords
    min_area : int
        Smallest object, in pixels.
    ignored_id : int, optional
        An id that is no object.
    """
    queues = [deque(_in_turns(part, min_area, ignored_id)) for part in collections]
    ranked = []
    while any(queues):
        ranked += [queue.popleft() for queue in queues if queue]
    return ranked


def _in_turns(part: SplitRecords, min_area: int, ignored_id: int) -> list[HeldOut]:
    """One object of each picture, then a second of each, and so on."""
    rng = np.random.default_rng(0)
    turns: list[tuple[int, int, HeldOut]] = []
    for place in rng.permutation(len(part.held_out)):
        record = part.held_out[place]
        large = record.objects.ids[record.objects.areas >= min_area]
        for turn, label in enumerate(rng.permutation(large[large != ignored_id]).tolist()):
            turns.append((turn, len(turns), HeldOut(part.name, record, label, ignored_id)))
    return [item for *_, item in sorted(turns, key=lambda entry: entry[:2])]


def by_picture(objects: Sequence[HeldOut]) -> list[HeldOut]:
    """The objects with those of one picture together, so that each picture is read once."""
    return sorted(objects, key=lambda item: (item.picture, item.label))


def click_held_out(
    architecture: Mapping[str, Any],
    weights: Mapping[str, Tensor],
    objects: Sequence[HeldOut],
    options: ValidationOptions,
    processes: Distributed,
    on_object: Callable[[int], None] | None = None,
) -> list[list[Simulation]]:
    """Click through all objects; each process takes a share.

    Parameters
    ----------
    architecture, weights : mapping
        The network.
    objects : sequence of HeldOut
        Quickest when those of one picture follow one another.
    options : ValidationOptions
        Clicks, preset and precision.
    processes : Distributed
        The processes.
    on_object : callable, optional
        Hears how many this process has done.

    Returns
    -------
    list of list of Simulation
        For each object, its clicks and what they led to.
    """
    predictor = predictor_of(architecture, weights, options, processes)
    protocol = Protocol(options.max_clicks, THRESHOLDS, max(options.target, *THRESHOLDS))
    mine = [(i, item) for i, item in enumerate(objects) if processes.owns(i)]
    results: dict[int, list[Simulation]] = {}
    for _, group in groupby(mine, key=lambda entry: entry[1].picture):
        entries = list(group)
        source = ImageSource(entries[0][1].record.example.image())
        for index, item in entries:
            results[index] = simulate(predictor, source, item.truth(), RobotUser(), protocol)
            if on_object is not None:
                on_object(len(results))
    plain: list[Any] = [[i, list(map(astuple, clicked))] for i, clicked in results.items()]
    gathered: dict[int, Any] = dict(processes.gathered(plain))
    return [
        [Simulation(Click(*click), *rest) for click, *rest in gathered[index]]
        for index in range(len(objects))
    ]


def predictor_of(
    architecture: Mapping[str, Any],
    weights: Mapping[str, Tensor],
    options: ValidationOptions,
    processes: Distributed,
) -> Predictor:
    """The network as it is measured, under the chosen settings."""
    model = build(architecture)
    model.load_state_dict(dict(weights))
    model = for_measuring(
        model, processes.device, precision_on(processes.device, options.precision)
    )
    settings = replace(settings_for(options.preset, options.scheme, model), precision="float32")
    return Predictor(model, settings, str(processes.device))


def curves_of(results: Sequence[Sequence[Simulation]]) -> list[Curve]:
    """The IoU after each click, of each object."""
    return [[click.iou for click in clicked] for clicked in results]


def summary(curves: Sequence[Curve], max_clicks: int) -> dict[str, float]:
    """Mean clicks to each IoU, and mean IoU after the first click."""
    means = {f"noc{round(100 * t)}": clicks_to(curves, t, max_clicks).mean() for t in THRESHOLDS}
    means["iou1"] = np.mean([iou_at(curve, 1) for curve in curves])
    return {name: round(float(value), 4) for name, value in means.items()}


def clicks_to(curves: Sequence[Curve], threshold: float, max_clicks: int) -> NDArray[np.float64]:
    """Clicks that each object took to an IoU; `max_clicks` where it was never reached."""
    return np.array([noc(curve, threshold, max_clicks) for curve in curves], np.float64)


def failures(curves: Sequence[Curve], threshold: float, max_clicks: int) -> int:
    """Number of objects that never reached an IoU."""
    return sum(failed(curve, threshold, max_clicks) for curve in curves)


def score(curves: Sequence[Curve], options: ValidationOptions) -> float:
    """Clicks to the IoU that decides, lower is better; the mean IoU after all decides a tie."""
    clicks = clicks_to(curves, options.target, options.max_clicks).mean()
    final = np.mean([iou_at(curve, options.max_clicks) for curve in curves])
    return float(clicks + _TIE * (1 - final))
