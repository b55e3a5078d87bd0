"""Evaluation of the search for other objects of a kind: found, missed, wrong, and clicks saved."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_cfr_icl import zoo
from napari_cfr_icl._errors import SettingsError
from napari_cfr_icl._files import atomic_write_json, atomic_write_text
from napari_cfr_icl.engine.clicks import Clicks
from napari_cfr_icl.engine.finding.finder import ObjectFinder
from napari_cfr_icl.engine.finding.options import SHOWN
from napari_cfr_icl.engine.finding.proposals import Exemplars, Proposal
from napari_cfr_icl.engine.predictor import Predictor
from napari_cfr_icl.engine.prompts.prompt import Prompt
from napari_cfr_icl.engine.settings import Settings
from napari_cfr_icl.engine.source import ImageSource
from napari_cfr_icl.evaluation.protocol.options import Protocol
from napari_cfr_icl.evaluation.protocol.simulate import replay, simulate
from napari_cfr_icl.evaluation.protocol.simulated_users import RobotUser
from napari_cfr_icl.evaluation.protocol.work_list import open_datasets, work_items

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from napari_cfr_icl.engine.windows import Patch
    from napari_cfr_icl.evaluation.protocol.options import EvaluateOptions
    from napari_cfr_icl.evaluation.protocol.work_list import WorkItem

    _Met = tuple[float, Patch]

EXAMPLES = (1, 3, 5)
"""Numbers of finished objects to search from."""

GOOD, FAIR = 0.75, 0.5
"""IoU at which an object is done, and at which a proposal is one that needs correcting."""

COMPLETE = 0.95
"""Share of a picture's objects that have to be done."""

PROTOCOL = Protocol(max_clicks=10, thresholds=(GOOD,))
"""Clicking of one object."""


@dataclass(frozen=True, slots=True)
class FindingScore:
    """One picture, searched from a number of examples.

    Parameters
    ----------
    dataset, picture : str
        Their names.
    examples : int
        Objects that the simulated user finished before.
    others : int
        The picture's other objects.
    proposals : int
        Proposals.
    fair, good : int
        Other objects that a proposal meets with an IoU of 0.5, and of 0.75.
    seconds_first, seconds : float
        From the start to the first proposal, and to the end.
    clicks, clicks_alone : int
        Clicks until 95 % of the objects have an IoU of 0.75, examples, keys, rejecting and
        corrections counted; and clicks object by object. The user judges what the dock shows
        without moving its slider, and searches a second time where one is missing.
    """

    dataset: str
    picture: str
    examples: int
    others: int
    proposals: int
    fair: int
    good: int
    seconds_first: float
    seconds: float
    clicks: int
    clicks_alone: int

    @property
    def sentence(self) -> str:
        """One line for the terminal."""
        return (
            f"{self.picture}: {self.fair} of {self.others} found from {self.examples}, "
            f"{self.proposals - self.fair} wrong, {self.clicks} clicks ({self.clicks_alone} "
            "object by object)"
        )

    def f1(self, found: int) -> float:
        """F1 score where `found` of the other objects were met, 0 to 1."""
        return 2 * found / max(1, self.proposals + self.others)


def evaluate_finding(
    options: EvaluateOptions, on_score: Callable[[FindingScore], None] | None = None
) -> str:
    """Search in the pictures of data sets, and write `find.md` and `find.json`.

    Parameters
    ----------
    options : EvaluateOptions
        Data sets, the model, sample of pictures, smallest area, device.
    on_score : callable, optional
        Called with each score.

    Returns
    -------
    str
        The table.

    Raises
    ------
    CfrIclError
        When an option, a data set or the model cannot be used, or no picture has enough objects.
    """
    datasets = open_datasets(options.datasets, options.reader)
    if len(options.models) != 1:
        raise SettingsError("The protocol `find` takes one model.")
    model = zoo.load(options.models[0])
    predictor = Predictor(model, Settings.interactive(model), options.device)
    finder = ObjectFinder(predictor.network, model.input_size)
    scores = []
    for work in work_items(datasets, options.sample):
        for score in _Picture(work, predictor, finder).scores(options.sample.seed):
            scores.append(score)
            if on_score is not None:
                on_score(score)
    if not scores:
        raise SettingsError("No picture has two objects or more: there is nothing to find.")
    text = table(scores)
    options.out.mkdir(parents=True, exist_ok=True)
    atomic_write_json(options.out / "find.json", [asdict(score) for score in scores])
    atomic_write_text(options.out / "find.md", text)
    return text


def table(scores: Sequence[FindingScore]) -> str:
    """A row for each data set and number of examples, means over pictures, as Markdown."""
    rows = [
        "| set | examples | pictures | F1 at IoU 0.5 | F1 at IoU 0.75 | proposals a second "
        "| seconds to the first | seconds | clicks a picture | object by object |",
        "|---" * 10 + "|",
    ]
    for name, count in dict.fromkeys((score.dataset, score.examples) for score in scores):
        group = [each for each in scores if (each.dataset, each.examples) == (name, count)]
        seconds = sum(each.seconds for each in group)
        means = [
            np.mean(values)
            for values in zip(
                *(
                    (
                        each.f1(each.fair),
                        each.f1(each.good),
                        sum(other.proposals for other in group) / max(1e-9, seconds),
                        each.seconds_first,
                        each.seconds,
                        each.clicks,
                        each.clicks_alone,
                    )
                    for each in group
                ),
                strict=True,
            )
        ]
        figures = " | ".join(f"{mean:.2f}" for mean in means)
        rows.append(f"| {name} | {count} | {len(group)} | {figures} |")
    return "\n".join(rows) + "\n"


class _Picture:
    """One picture, its objects, and the clicks that each takes alone."""

    def __init__(self, work: WorkItem, predictor: Predictor, finder: ObjectFinder) -> None:
        self._work = work
        self._predictor = predictor
        self._finder = finder

    def scores(self, seed: int) -> Iterator[FindingScore]:
        """A score for each of `EXAMPLES` that leaves an object to find."""
        truths = [item.truth() == 1 for _, item in self._work.objects]
        if len(truths) < 2:
            return
        image = ImageSource.of(self._work.picture.image())
        order = [int(index) for index in np.random.default_rng(seed).permutation(len(truths))]
        alone = [self._clicks(image, truth) for truth in truths]
        for count in EXAMPLES:
            if count < len(truths):
                chosen, others = order[:count], order[count:]
                yield self._score(image, truths, alone, chosen, others)

    def _score(
        self,
        image: ImageSource,
        truths: Sequence[NDArray[np.bool_]],
        alone: Sequence[Clicks],
        chosen: Sequence[int],
        others: Sequence[int],
    ) -> FindingScore:
        examples = []
        for index in chosen:
            *_, last = replay(self._predictor, image, alone[index])
            examples.append(last.mask())
        proposals, times = self._proposals(image, Exemplars(examples))
        wanted = [truths[index] for index in others]
        met = met_by(proposals, wanted)
        done, actions = self._judged(image, examples, proposals, wanted)
        costs = [len(alone[index]) for index in chosen]
        for number, index in enumerate(others):
            costs.append(self._cost(image, truths[index], len(alone[index]), done.get(number)))
        return FindingScore(
            self._work.dataset,
            self._work.picture.key,
            examples=len(chosen),
            others=len(others),
            proposals=len(proposals),
            fair=len(met),
            good=sum(quality >= GOOD for quality, _ in met.values()),
            seconds_first=times[0],
            seconds=times[-1],
            clicks=clicks_to_complete(costs) + actions,
            clicks_alone=clicks_to_complete([len(clicks) for clicks in alone]),
        )

    def _proposals(
        self, image: ImageSource, exemplars: Exemplars
    ) -> tuple[list[Proposal], list[float]]:
        """The proposals of a search, and the seconds until each of them and until its end."""
        begun, proposals, times = time.perf_counter(), [], []
        for found in self._finder.find(image, exemplars):
            if isinstance(found, Proposal):
                proposals.append(found)
                times.append(time.perf_counter() - begun)
        return proposals, [*times, time.perf_counter() - begun]

    def _judged(
        self,
        image: ImageSource,
        examples: Sequence[Patch],
        proposals: Sequence[Proposal],
        wanted: Sequence[NDArray[np.bool_]],
    ) -> tuple[dict[int, _Met], int]:
        """The objects that a user has after two searches, and the keys and clicks that it took.

        Every wrong proposal on the screen is rejected by a click, all others are accepted by a key.
        """
        done: dict[int, _Met] = {}
        rejected: list[Patch] = []
        actions = 0
        for is_last in (False, True):
            shown = [each for each in proposals if each.certainty >= SHOWN]
            met = {
                number: found
                for number, found in met_by(shown, wanted).items()
                if number not in done
            }
            right = {id(mask) for _, mask in met.values()}
            wrong = [each.mask for each in shown if id(each.mask) not in right]
            actions += 1 + len(wrong) + bool(met)
            done |= met
            rejected += wrong
            if len(done) == len(wanted):
                break
            if not is_last:
                accepted = [mask for _, mask in done.values()]
                exemplars = Exemplars([*examples, *accepted], rejected)
                proposals, _ = self._proposals(image, exemplars)
        return done, actions

    def _clicks(
        self, image: ImageSource, truth: NDArray[np.bool_], mask: Patch | None = None
    ) -> Clicks:
        """The clicks that an object takes, from a mask or from nothing."""
        user, target, begin = RobotUser(), truth.astype(np.int8), None
        if mask is not None:
            begin = Prompt(Clicks([user.next_click(target, mask.full(), Clicks())]), mask)
        steps = simulate(self._predictor, image, target, user, PROTOCOL, begin)
        return Clicks(step.click for step in steps)

    def _cost(
        self,
        image: ImageSource,
        truth: NDArray[np.bool_],
        alone: int,
        met: _Met | None,
    ) -> int:
        """Clicks for an object: none, those that correct its proposal, or all of them."""
        if met is None:
            return alone
        quality, mask = met
        return 0 if quality >= GOOD else len(self._clicks(image, truth, mask))


def clicks_to_complete(costs: Sequence[int]) -> int:
    """Clicks until enough objects are done, the cheapest first."""
    return sum(sorted(costs)[: int(np.ceil(COMPLETE * len(costs)))])


def met_by(proposals: Sequence[Proposal], truths: Sequence[NDArray[np.bool_]]) -> dict[int, _Met]:
    """The objects that proposals meet: IoU and mask by number; each is met once, surest first."""
    met: dict[int, _Met] = {}
    areas = [int(truth.sum()) for truth in truths]
    for proposal in sorted(proposals, key=lambda each: -each.certainty):
        mask, qualities = proposal.mask, {}
        area = int(mask.values.sum())
        for number, truth in enumerate(truths):
            common = int((truth[mask.window.slices] & mask.values).sum())
            quality = common / max(1, areas[number] + area - common)
            if number not in met and quality >= FAIR:
                qualities[number] = quality
        if qualities:
            best = max(qualities, key=lambda number: qualities[number])
            met[best] = qualities[best], proposal.mask
    return met
