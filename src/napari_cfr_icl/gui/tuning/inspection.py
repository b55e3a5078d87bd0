"""The inner loop of one click: the masks of all steps, and the step at which a policy stops."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from napari_cfr_icl.engine.refine import contradicts, has_converged, stop_threshold
from napari_cfr_icl.engine.settings import Refinement
from napari_cfr_icl.engine.windows import Patch
from napari_cfr_icl.session.objects import ObjectState
from napari_cfr_icl.session.protocols import Answer

Reason = Literal["limit", "converged", "refused", "unrefined", "unknown"]


@dataclass(frozen=True, slots=True)
class Stopping:
    """End of an inner loop under a policy.

    Parameters
    ----------
    steps : int
        Refinement steps that are run, which takes one pass more.
    kept : int
        Step whose mask is the answer: the last one, or the one before a refused step.
    reason : str
        "limit": all steps are done; "converged": few pixels changed; "refused": a step contradicted
        a click; "unrefined": this click is not refined; "unknown": it needs more steps than were
        run.
    """

    steps: int
    kept: int
    reason: Reason


@dataclass(frozen=True, slots=True, eq=False)
class Inspection:
    """The inner loop of an object's newest click, with more steps than a policy may need.

    Parameters
    ----------
    state : ObjectState
        The object.
    answers : tuple of Answer
        One after each pass.
    mask_threshold : float
        Probability above which a pixel belongs to the object.
    """

    state: ObjectState
    answers: tuple[Answer, ...] = ()
    mask_threshold: float = 0.5

    @property
    def steps(self) -> int:
        """Number of refinement steps that were run."""
        return max(0, len(self.answers) - 1)

    @property
    def changes(self) -> tuple[int, ...]:
        """Changed pixels of step 1, 2, ..."""
        return tuple(answer.trace[-1].changed_pixels or 0 for answer in self.answers[1:])

    def with_answer(self, answer: Answer) -> Inspection:
        """The inspection after one more pass."""
        return replace(self, answers=(*self.answers, answer))

    def mask(self, step: int) -> Patch:
        """The mask Y of a step; 0 is the one before any refinement."""
        return self.answers[step].probabilities.threshold(self.mask_threshold)

    def area(self, step: int) -> int:
        """Number of pixels of the mask of a step."""
        return int(np.count_nonzero(self.mask(step).values))

    def limit(self, policy: Refinement, step: int) -> int | None:
        """Changed pixels below which the loop ends at `step`; None without a threshold."""
        probabilities = self.answers[step].probabilities
        return stop_threshold(policy, probabilities, self.mask_threshold)

    def stop(self, policy: Refinement) -> Stopping:
        """The end of this loop under `policy`."""
        first = policy.first_clicks
        if first is not None and len(self.state.clicks) > first:
            return Stopping(0, 0, "unrefined")
        for step in range(1, min(policy.steps, self.steps) + 1):
            if policy.guard and self._is_refused(step):
                return Stopping(step, step - 1, "refused")
            if has_converged(policy, self.changes[step - 1], self.limit(policy, step)):
                return Stopping(step, step, "converged")
        if policy.steps > self.steps:
            return Stopping(self.steps, self.steps, "unknown")
        return Stopping(policy.steps, policy.steps, "limit")

    def _is_refused(self, step: int) -> bool:
        older, newer = (self.answers[index].probabilities for index in (step - 1, step))
        return contradicts(newer, older, self.state.clicks, self.mask_threshold)


def in_words(stopping: Stopping) -> str:
    """The end of a loop as a sentence."""
    passes = f"{stopping.steps + 1} pass{'es' if stopping.steps else ''}"
    after = f"after step {stopping.steps} ({passes})"
    if stopping.reason == "limit" and not stopping.steps:
        return f"No refinement ({passes})."
    return {
        "unrefined": f"This click is not refined ({passes}).",
        "limit": f"Ends {after}: all steps done.",
        "converged": f"Stops {after}: fewer pixels changed than the threshold.",
        "refused": f"Stops {after}, which contradicts a click: step {stopping.kept} stays.",
        "unknown": f"Goes on {after}, the last that is shown.",
    }[stopping.reason]
