"""The look of a kind of objects: a linear classifier on the encoder's features."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from scipy import ndimage

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from napari_cfr_icl.engine.finding.tiles import Tile

INSIDE = 0.6
"""Share of a place that has to belong to an object, or to its surroundings, to be an example."""

RIDGE = 1e-3
"""Regularization; the features are unit vectors and both classes weigh the same."""

FARTHEST = 1.0
"""Width of the surroundings that are examples of background, in diameters of an object."""


class Appearance:
    """Score of the kind, about 1 on objects and -1 beside them.

    Parameters
    ----------
    objects, background : Tensor
        Examples: unit vectors (places, channels).
    """

    def __init__(self, objects: Tensor, background: Tensor) -> None:
        examples = torch.cat([objects, background])
        examples = torch.cat([examples, torch.ones(len(examples), 1)], dim=1)
        signs = torch.ones(len(examples))
        signs[len(objects) :] = -1
        weights = torch.full((len(examples),), 0.5 / max(1, len(objects)))
        weights[len(objects) :] = 0.5 / max(1, len(background))
        weighted = (examples * weights[:, None]).T
        penalty = RIDGE * torch.eye(examples.shape[1])
        self._weights = torch.linalg.solve(weighted @ examples + penalty, weighted @ signs)

    @classmethod
    def of(
        cls,
        tiles: Iterable[Tile],
        objects: NDArray[np.bool_],
        rejected: NDArray[np.bool_],
        diameter: float,
        origin: tuple[int, int],
    ) -> Appearance:
        """Learn from masks of a region, (rows, columns), that begins at the pixel `origin`.

        What lies around the objects, up to a diameter away, is background; so is what was rejected.
        """
        away = ndimage.distance_transform_edt(~objects)
        around = (away > max(2.0, 0.15 * diameter)) & (away < FARTHEST * diameter) | rejected
        found: tuple[list[Tensor], list[Tensor]] = ([], [])
        for tile in tiles:
            part = tile.window
            rows = slice(part.top - origin[0], part.bottom - origin[0])
            cols = slice(part.left - origin[1], part.right - origin[1])
            if not objects[rows, cols].any() and not around[rows, cols].any():
                continue
            for vectors, mask in zip(found, (objects, around), strict=True):
                vectors.append(tile.appearance[tile.share(mask[rows, cols]) > INSIDE])
        return cls(*(torch.cat(vectors) for vectors in found))

    def scores(self, tile: Tile) -> NDArray[np.float32]:
        """Score of each pixel of a tile, (rows, columns)."""
        return tile.in_pixels(tile.appearance @ self._weights[:-1] + self._weights[-1])
