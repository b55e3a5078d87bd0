"""Proposals of a search and the user's judgement of each."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_cfr_icl.engine.finding.proposals import Proposal
    from napari_cfr_icl.engine.windows import Patch


class JudgedProposals:
    """Proposals on one plane, each of them open, accepted or rejected.

    Attributes
    ----------
    proposals : list of Proposal
        In the order in which they were found.
    """

    def __init__(self) -> None:
        self.proposals: list[Proposal] = []
        self._verdicts: dict[int, bool] = {}
        self._hidden: set[int] = set()
        self._earlier: list[Patch] = []

    def add(self, proposal: Proposal) -> None:
        """Add one that is open."""
        self.proposals.append(proposal)

    def judge(self, index: int, *, good: bool) -> None:
        """Accept or reject a proposal; a verdict may be changed."""
        self._verdicts[index] = good

    def verdict(self, index: int) -> bool | None:
        """True for an accepted, False for a rejected, None for an open proposal."""
        return self._verdicts.get(index)

    def hide(self, taken: Patch | None, current: Patch | None) -> None:
        """Hide those that are finished objects by now, and the one that is being corrected.

        Parameters
        ----------
        taken : Patch of bool or None
            The pixels of finished objects.
        current : Patch or None
            The mask that the current object started from.
        """
        self._hidden = {
            index
            for index, each in enumerate(self.proposals)
            if each.mask is current or (taken is not None and _is_covered(each.mask, taken))
        }

    def shown(self, certainty: float) -> list[int]:
        """Those on the screen, surest first: at least so certain, or judged."""
        return [
            index
            for index in self._ranked()
            if index not in self._hidden
            and (index in self._verdicts or self.proposals[index].certainty >= certainty)
        ]

    def accepted(self, certainty: float = 2.0) -> list[int]:
        """Those that are accepted or, unless they are rejected, at least so certain."""
        return [index for index in self.shown(certainty) if self._verdicts.get(index, True)]

    def at(self, row: float, col: float, certainty: float) -> int | None:
        """The proposal on the screen at a pixel, if any."""
        shown = self.shown(certainty)
        return next((index for index in shown if self.proposals[index].mask.at(row, col)), None)

    def masks(self, indices: Sequence[int]) -> list[Patch]:
        """Their masks."""
        return [self.proposals[index].mask for index in indices]

    @property
    def rejected(self) -> list[Patch]:
        """All masks that the user has rejected, in earlier searches as well."""
        now = [index for index in self._ranked() if self._verdicts.get(index) is False]
        return [*self._earlier, *self.masks(now)]

    def begin_anew(self) -> None:
        """Forget all but the accepted ones that are not written yet, and what was rejected."""
        kept = [self.proposals[index] for index in self.accepted()]
        self._earlier = self.rejected
        self.proposals, self._hidden = kept, set()
        self._verdicts = dict.fromkeys(range(len(kept)), True)

    def _ranked(self) -> list[int]:
        return sorted(range(len(self.proposals)), key=lambda each: -self.proposals[each].certainty)


def _is_covered(mask: Patch, taken: Patch) -> bool:
    common = np.count_nonzero(mask.values & taken.read(mask.window))
    return bool(2 * common > np.count_nonzero(mask.values))
