"""The search: tiles are encoded, likely places are clicked, and masks that survive are proposed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy import ndimage

from napari_cfr_icl._errors import MaskError, ModelError
from napari_cfr_icl.engine.clicks import Click, Clicks
from napari_cfr_icl.engine.finding.appearance import Appearance
from napari_cfr_icl.engine.finding.options import FindOptions
from napari_cfr_icl.engine.finding.proposals import MOST_OVERLAP, Proposal, Shapes, certainty
from napari_cfr_icl.engine.finding.tiles import Tile, cover, encoded
from napari_cfr_icl.engine.passes import points_in, resized
from napari_cfr_icl.engine.source import ImageSource
from napari_cfr_icl.engine.windows import Patch, Window

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

    from numpy.typing import NDArray

    from napari_cfr_icl.engine.runtime.network import Network

DIAMETERS = 8
"""Side of a tile in diameters of the typical object."""

SMALLEST_TILE, LARGEST_TILE = 96, 1536
"""Sides of a tile, in image pixels."""

MOST_TILES = 2000
"""Tiles that are kept in memory: about 3 GB."""

LOWEST_SCORE = -0.1
"""Places that look less like the kind than this are not clicked."""

BATCH = 16
"""Clicks that are answered at once."""


class ObjectFinder:
    """Proposes the other objects of a kind.

    Parameters
    ----------
    network : Network
        Of a model that looks at a picture once (`caches_image_features`).
    longest : int
        Longest side of its input in pixels.

    Raises
    ------
    ModelError
        When the model looks again at each click.
    """

    def __init__(self, network: Network, longest: int) -> None:
        if not network.caches_image_features:
            raise ModelError(
                "This model looks at the picture again at each click, which is too slow to find "
                "objects with: choose one that looks once, such as cfr-icl-mobilesam."
            )
        self._network = network
        self._longest = longest

    def find(
        self,
        source: Any,
        examples: Sequence[Patch],
        options: FindOptions | None = None,
        *,
        rejected: Sequence[Patch] = (),
        region: Window | None = None,
    ) -> Iterator[Proposal | None]:
        """Search for objects that look like the examples.

        Parameters
        ----------
        source : array-like or list of array-like or ImageSource
            As `Predictor.steps` takes it.
        examples : sequence of Patch of bool
            Finished objects, in the region. Nothing is proposed on them.
        options : FindOptions, optional
            Least certainty, and number.
        rejected : sequence of Patch of bool
            Proposals that the user rejected: what looks like them is proposed no more.
        region : Window, optional
            The part of the image to be searched; all of it by default.

        Yields
        ------
        Proposal or None
            The likeliest places first; None while the picture is looked at, once a tile. Proposals
            do not overlap. Stop iterating to stop the search.

        Raises
        ------
        MaskError
            When there is no example in the region, or the region is too large for objects so small.
        """
        image = ImageSource.of(source)
        search = _Search(self._network, image, region or Window.whole(image.shape), options)
        return search.run(self._longest, examples, rejected)


class _Search:
    """State of one search."""

    def __init__(
        self, network: Network, image: ImageSource, region: Window, options: FindOptions | None
    ) -> None:
        self._network = network
        self._image = image
        self._region = region
        self._options = options or FindOptions()

    def run(
        self, longest: int, examples: Sequence[Patch], rejected: Sequence[Patch]
    ) -> Iterator[Proposal | None]:
        """The search, see `ObjectFinder.find`."""
        given = [
            (box, each.read(box))
            for each in examples
            if (box := _common(each.bounds(), self._region)) is not None
        ]
        if not given:
            raise MaskError("There is no finished object to learn from: click one first.")
        self._shapes = Shapes.of([mask for _, mask in given])
        windows = self._windows()
        self._taken = np.zeros(self._region.shape, bool)
        for box, mask in given:
            self._taken[box.relative_to(self._region).slices] |= mask
        refused = np.zeros_like(self._taken)
        for each in rejected:
            refused |= each.read(self._region)
        tiles: list[Tile] = []
        for window in windows:
            tiles.append(encoded(self._network, self._image, window, longest))
            yield None
        self._score(tiles, refused)
        yield from self._proposals(tiles)

    def _windows(self) -> list[Window]:
        diameter = self._shapes.diameter
        side = int(np.clip(DIAMETERS * diameter, SMALLEST_TILE, LARGEST_TILE))
        windows = cover(self._region, side, min(side // 2, int(2 * diameter)))
        if len(windows) > MOST_TILES:
            raise MaskError(
                f"Objects of {diameter:.0f} pixels would need {len(windows)} looks at a part of "
                f"{self._region.height} x {self._region.width} pixels: search a smaller part."
            )
        return windows

    def _score(self, tiles: Sequence[Tile], refused: NDArray[np.bool_]) -> None:
        """Judge the look of each pixel; where tiles overlap the higher score counts."""
        origin, diameter = (self._region.top, self._region.left), self._shapes.diameter
        appearance = Appearance.of(tiles, self._taken, refused, diameter, origin)
        self._scores = np.full(self._region.shape, -np.inf, np.float32)
        for tile in tiles:
            part = self._scores[tile.window.relative_to(self._region).slices]
            np.maximum(part, appearance.scores(tile), out=part)
        self._likely = ndimage.gaussian_filter(self._scores, max(0.5, diameter / 8))

    def _proposals(self, tiles: Sequence[Tile]) -> Iterator[Proposal]:
        self._tried = np.zeros_like(self._taken)
        count = 0
        while places := self._next_places():
            by_tile: dict[int, list[Click]] = {}
            for row, col in places:
                deepest = max(range(len(tiles)), key=lambda index: tiles[index].depth(row, col))
                by_tile.setdefault(deepest, []).append(Click(row, col))
            answers = [
                answer
                for index, clicks in by_tile.items()
                for answer in self._answers(tiles[index], clicks)
            ]
            for proposal in sorted(answers, key=lambda each: -each.certainty):
                if (kept := self._kept(proposal)) is not None:
                    yield kept
                    count += 1
                    if count == self._options.most:
                        return

    def _next_places(self) -> list[tuple[int, int]]:
        """The likeliest places, at least a diameter apart, in image pixels; none when all is done.

        Around each of them no other is tried later.
        """
        apart, near = int(self._shapes.diameter), max(1, int(0.35 * self._shapes.diameter))
        likely = np.where(self._taken | self._tried, -np.inf, self._likely)
        places: list[tuple[int, int]] = []
        while len(places) < BATCH:
            row, col = (int(x) for x in np.unravel_index(likely.argmax(), likely.shape))
            if likely[row, col] < LOWEST_SCORE:
                break
            places.append((row + self._region.top, col + self._region.left))
            likely[_around(row, col, apart)] = -np.inf
            self._tried[_around(row, col, near)] = True
        return places

    @torch.inference_mode()
    def _answers(self, tile: Tile, clicks: Sequence[Click]) -> Iterator[Proposal]:
        """Masks of clicks in one tile, each after one step of CFR."""
        window, size, device = tile.window, tile.size, self._network.device
        features = tuple(
            each.to(device, torch.float32).expand(len(clicks), -1, -1, -1) for each in tile.features
        )
        points = torch.cat([points_in(Clicks([click]), window, size) for click in clicks]).to(
            device
        )
        none = torch.zeros(len(clicks), 1, *size, device=device)
        first = torch.sigmoid(self._network.decode(features, none, points))
        refined = torch.sigmoid(self._network.decode(features, first, points))
        scores = self._scores[window.relative_to(self._region).slices]
        for click, *passes in zip(clicks, first, refined, strict=True):
            before, after = (
                resized(each[None], window.shape)[0, 0].cpu().numpy() for each in passes
            )
            mask = Patch(after > 0.5, window, self._image.shape)
            sure = certainty(before, after, scores, self._shapes)
            yield Proposal(mask, sure / 2 if self._is_cut_off(mask) else sure, click)

    def _is_cut_off(self, mask: Patch) -> bool:
        """True if a mask reaches an edge of its tile inside the region."""
        box, tile, region = mask.bounds(), mask.window, self._region
        if box is None:
            return False
        return (
            box.top == tile.top > region.top
            or box.left == tile.left > region.left
            or box.bottom == tile.bottom < region.bottom
            or box.right == tile.right < region.right
        )

    def _kept(self, proposal: Proposal) -> Proposal | None:
        """A proposal without what belongs to others; None if that is too much, or it is unsure."""
        mask = proposal.mask
        box = mask.bounds()
        if box is None or proposal.certainty < self._options.certainty:
            return None
        values, taken = mask.read(box), self._taken[box.relative_to(self._region).slices]
        free = values & ~taken
        if np.count_nonzero(free) < (1 - MOST_OVERLAP) * np.count_nonzero(values):
            return None
        taken |= values
        return Proposal(Patch(free, box, mask.image_shape), proposal.certainty, proposal.click)


def _common(box: Window | None, region: Window) -> Window | None:
    return None if box is None else box.intersection(region)


def _around(row: int, col: int, radius: int) -> tuple[slice, slice]:
    rows, cols = (slice(max(0, place - radius), place + radius + 1) for place in (row, col))
    return rows, cols
