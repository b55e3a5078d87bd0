"""The look of a kind of objects: a linear classifier on the encoder's features."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy import ndimage

from napari_cfr_icl.engine.finding.proposals import drawn

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from napari_cfr_icl.engine.finding.tiles import Tile
    from napari_cfr_icl.engine.windows import Patch

INSIDE = 0.6
"""Share of a place that has to belong to an object, or to its surroundings, to be an example."""

RIDGE = 1e-3
"""Regularization; the features are unit vectors and both classes weigh the same."""

COARSE_RIDGE, LEAST_UNLIKE = 0.1, -0.3
"""Regularization of a first fit, and the score there below which surroundings are background."""

FARTHEST = 1.0
"""Width of the surroundings that are examples of background, in diameters of an object."""


class Appearance:
    """Score of the kind, about 1 on objects and -1 beside them.

    Parameters
    ----------
    objects, background, rejected : Tensor
        Examples: unit vectors (places, channels). However few of one sort there are, they weigh as
        much as those of another.
    """

    def __init__(self, objects: Tensor, background: Tensor, rejected: Tensor) -> None:
        self._fit(objects, background, rejected, COARSE_RIDGE)
        # Objects that nobody has finished lie among the surroundings: they are no background.
        background = background[self._of(background) < LEAST_UNLIKE]
        self._fit(objects, background, rejected, RIDGE)

    def _fit(self, objects: Tensor, background: Tensor, rejected: Tensor, ridge: float) -> None:
        sorts = [sort for sort in (objects, background, rejected) if len(sort)]
        examples = torch.cat(sorts)
        examples = torch.cat([examples, torch.ones(len(examples), 1)], dim=1)
        signs = -torch.ones(len(examples))
        signs[: len(objects)] = 1
        shares = [torch.full((len(sort),), 1 / len(sort)) for sort in sorts]
        weights = torch.cat(shares) / len(sorts)
        weighted = (examples * weights[:, None]).T
        penalty = ridge * torch.eye(examples.shape[1])
        self._weights = torch.linalg.solve(weighted @ examples + penalty, weighted @ signs)

    def _of(self, vectors: Tensor) -> Tensor:
        """Scores of unit vectors (places, channels)."""
        scores: Tensor = vectors @ self._weights[:-1] + self._weights[-1]
        return scores

    @classmethod
    def of(
        cls,
        tiles: Iterable[Tile],
        objects: Sequence[Patch],
        rejected: Sequence[Patch],
        diameter: float,
    ) -> Appearance:
        """Learn from masks in tiles.

        What lies around the objects, up to a diameter away, is background.
        """
        found: tuple[list[Tensor], ...] = ([], [], [])
        reach = math.ceil(FARTHEST * diameter)
        for tile in tiles:
            wide = tile.window.grown(reach, reach)
            inside, part = drawn(objects, wide), tile.window.relative_to(wide).slices
            refused = drawn(rejected, tile.window)
            around = np.zeros(tile.window.shape, bool)
            if inside.any():
                away = ndimage.distance_transform_edt(~inside)[part]
                around = (away > max(2.0, 0.15 * diameter)) & (away < FARTHEST * diameter)
            for vectors, mask in zip(found, (inside[part], around, refused), strict=True):
                vectors.append(tile.appearance[tile.share(mask) > INSIDE])
        return cls(*(torch.cat(vectors) for vectors in found))

    def scores(self, tile: Tile) -> NDArray[np.float32]:
        """Score of each pixel of a tile, (rows, columns)."""
        return tile.in_pixels(self._of(tile.appearance))
