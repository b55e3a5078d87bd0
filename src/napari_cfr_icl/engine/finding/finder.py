"""The search: tiles are encoded, likely places are clicked, and masks that survive are proposed."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import numpy as np
import torch
from scipy import ndimage

from napari_cfr_icl._errors import MaskError, ModelError
from napari_cfr_icl.engine.clicks import Click, Clicks
from napari_cfr_icl.engine.finding.appearance import Appearance
from napari_cfr_icl.engine.finding.options import FindOptions
from napari_cfr_icl.engine.finding.proposals import (
    MOST_OVERLAP,
    Exemplars,
    Proposal,
    SearchProgress,
    Shapes,
    certainty,
    drawn,
    tight,
)
from napari_cfr_icl.engine.finding.tiles import Look, Tile, cover, encoded
from napari_cfr_icl.engine.passes import points_in, resized
from napari_cfr_icl.engine.source import ImageSource
from napari_cfr_icl.engine.windows import Patch, Window, iou

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
"""Tiles of one search: some minutes on a CPU."""

KEPT_TILES = 256
"""Tiles of an image that are kept for the next search: about 400 MB."""

LEARNT_TILES = 16
"""Tiles that the look is learnt from: those with most examples."""

LOWEST_SCORE = -0.1
"""Places that look less like the kind than this are not clicked."""

SAME = 0.6
"""IoU above which a mask is one that was rejected before."""

BATCH = 16
"""Clicks that are answered at once."""


class ObjectFinder:
    """Proposes the other objects of a kind.

    What the encoder saw of an `ImageSource` is kept as long as the source lives, so a second search
    in it takes a fraction of the time.

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
        self._kept: WeakKeyDictionary[ImageSource, dict[Window, Tile]] = WeakKeyDictionary()

    def find(
        self,
        source: Any,
        exemplars: Exemplars,
        options: FindOptions | None = None,
        *,
        taken: Sequence[Patch] = (),
        region: Window | None = None,
    ) -> Iterator[Proposal | SearchProgress]:
        """Search for objects that look like the examples.

        The search begins at the examples and goes outwards, tile by tile; no more than a tile of
        the image is read at a time.

        Parameters
        ----------
        source : array-like or list of array-like or ImageSource
            As `Predictor.steps` takes it.
        exemplars : Exemplars
            Examples. Nothing is proposed on them.
        options : FindOptions, optional
            Least certainty, and number.
        taken : sequence of Patch of bool
            Further objects, which nothing is learnt from and nothing is proposed on.
        region : Window, optional
            The part of the image to be searched; all of it by default.

        Yields
        ------
        Proposal or SearchProgress
            In each tile the likeliest places first; the progress after each step. Proposals do not
            overlap. Stop iterating to stop the search.

        Raises
        ------
        MaskError
            When there is no example, or the region is too large for objects so small.
        """
        if not (examples := _tight(exemplars.examples)):
            raise MaskError("There is no finished object to learn from: click one first.")
        image = ImageSource.of(source)
        elsewhere = None if exemplars.source is None else ImageSource.of(exemplars.source)
        search = _Search(self, image, examples, options or FindOptions())
        region = region or Window.whole(image.shape)
        return search.run(region, _tight(taken), _tight(exemplars.rejected), elsewhere)

    @property
    def network(self) -> Network:
        """The network."""
        return self._network

    def look(self, image: ImageSource, window: Window) -> Tile:
        """The tile of a window; encoded unless it is kept from before."""
        kept = self._kept.setdefault(image, {})
        if window not in kept:
            if len(kept) >= KEPT_TILES:
                kept.pop(next(iter(kept)))
            kept[window] = encoded(self._network, image, window, self._longest)
        return kept[window]


class _Search:
    """State of one search."""

    def __init__(
        self,
        finder: ObjectFinder,
        image: ImageSource,
        examples: list[Patch],
        options: FindOptions,
    ) -> None:
        self._finder = finder
        self._network = finder.network
        self._image = image
        self._examples = examples
        self._options = options
        self._shapes = Shapes.of([each.values for each in examples])
        self._rejected: list[Patch] = []
        self._count = 0

    def run(
        self,
        region: Window,
        taken: list[Patch],
        rejected: list[Patch],
        elsewhere: ImageSource | None,
    ) -> Iterator[Proposal | SearchProgress]:
        """The search, see `ObjectFinder.find`."""
        looks = self._looks(region)
        learnt = self._windows_of(looks, [*self._examples, *rejected], elsewhere)
        total = len({*(look.window for look in looks), *learnt})
        tiles: list[Tile] = []
        for window in learnt:
            yield SearchProgress(len(tiles), total)
            tiles.append(self._finder.look(elsewhere or self._image, window))
        appearance = Appearance.of(tiles, self._examples, rejected, self._shapes.diameter)
        self._objects = taken
        if elsewhere is None:
            self._objects, self._rejected = [*taken, *self._examples], rejected
        del tiles
        seen = set(learnt)
        for look in sorted(looks, key=lambda each: self._distance(each.window)):
            yield SearchProgress(len(seen), total)
            tile = self._finder.look(self._image, look.window)
            seen.add(look.window)
            for found in self._in_tile(tile, look.own, appearance.scores(tile)):
                yield found or SearchProgress(len(seen), total)
                self._count += found is not None
                if self._count == self._options.most:
                    return

    def _looks(self, region: Window) -> list[Look]:
        looks = cover(region, self._side, self._image.shape)
        if len(looks) > MOST_TILES:
            raise MaskError(
                f"Objects of {self._shapes.diameter:.0f} pixels would need {len(looks)} looks at a "
                f"part of {region.height} x {region.width} pixels: search a smaller part."
            )
        return looks

    @property
    def _side(self) -> int:
        """Side of a tile: one of few sizes, so that tiles are the same for examples much alike."""
        side = float(np.clip(DIAMETERS * self._shapes.diameter, SMALLEST_TILE, LARGEST_TILE))
        return round(SMALLEST_TILE * 2 ** (round(2 * math.log2(side / SMALLEST_TILE)) / 2))

    def _windows_of(
        self, looks: list[Look], masks: Sequence[Patch], elsewhere: ImageSource | None
    ) -> list[Window]:
        """The windows to learn from: tiles of the search, or around what lies outside of them."""
        shape = (elsewhere or self._image).shape
        looks = looks if elsewhere is None else []
        found: Counter[Window] = Counter()
        for mask in masks:
            row, col = _middle(mask.window)
            own = (look.window for look in looks if _holds(look.own, row, col))
            found[next(own, None) or self._around(row, col, shape)] += 1
        return [window for window, _ in found.most_common(LEARNT_TILES)]

    def _around(self, row: float, col: float, shape: tuple[int, int]) -> Window:
        """A tile around a place, inside the image."""
        height, width = (min(self._side, length) for length in shape)
        top, left = (
            max(0, min(int(place) - length // 2, limit - length))
            for place, length, limit in zip((row, col), (height, width), shape, strict=True)
        )
        return Window(top, left, height, width)

    def _distance(self, window: Window) -> float:
        """Distance from the nearest example."""
        row, col = _middle(window)
        return min(math.dist((row, col), _middle(each.window)) for each in self._examples)

    def _in_tile(
        self, tile: Tile, own: Window, scores: NDArray[np.float32]
    ) -> Iterator[Proposal | None]:
        """The proposals of a tile, and None after each batch of clicks."""
        window = tile.window
        taken = drawn(self._objects, window)
        outside = np.ones_like(taken)
        outside[own.relative_to(window).slices] = False
        smooth = ndimage.gaussian_filter(scores, max(0.5, self._shapes.diameter / 8))
        likely = np.where(outside, -np.inf, smooth)
        while clicks := self._next_clicks(likely, taken, window):
            answers = self._answers(tile, clicks, scores)
            for proposal in sorted(answers, key=lambda each: -each.certainty):
                if (kept := self._kept(proposal, taken, window)) is not None:
                    self._objects.append(kept.mask)
                    yield kept
            yield None

    def _next_clicks(
        self, likely: NDArray[np.float32], taken: NDArray[np.bool_], window: Window
    ) -> list[Click]:
        """Clicks on the likeliest places, at least a diameter apart; none when all is done.

        Around each of them no other is tried later: `likely` is changed.
        """
        apart, near = int(self._shapes.diameter), max(1, int(0.35 * self._shapes.diameter))
        free = np.where(taken, -np.inf, likely)
        clicks: list[Click] = []
        while len(clicks) < BATCH:
            row, col = (int(x) for x in np.unravel_index(free.argmax(), free.shape))
            if free[row, col] < LOWEST_SCORE:
                break
            clicks.append(Click(row + window.top, col + window.left))
            free[_around(row, col, apart)] = -np.inf
            likely[_around(row, col, near)] = -np.inf
        return clicks

    @torch.inference_mode()
    def _answers(
        self, tile: Tile, clicks: Sequence[Click], scores: NDArray[np.float32]
    ) -> list[Proposal]:
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
        answers = []
        for click, *passes in zip(clicks, first, refined, strict=True):
            before, after = (
                resized(each[None], window.shape)[0, 0].cpu().numpy() for each in passes
            )
            mask = Patch(after > 0.5, window, self._image.shape)
            sure = certainty(before, after, scores, self._shapes)
            answers.append(Proposal(mask, sure / 2 if _is_cut_off(mask) else sure, click))
        return answers

    def _kept(
        self, proposal: Proposal, taken: NDArray[np.bool_], window: Window
    ) -> Proposal | None:
        """A proposal without what belongs to others; None if that is too much, or it is unsure."""
        mask = tight(proposal.mask)
        if mask is None or proposal.certainty < self._options.certainty:
            return None
        there = taken[mask.window.relative_to(window).slices]
        free = mask.values & ~there
        if np.count_nonzero(free) < (1 - MOST_OVERLAP) * np.count_nonzero(mask.values):
            return None
        if any(_is_same(mask, each) for each in self._rejected):
            return None
        there |= mask.values
        rest = Patch(free, mask.window, mask.image_shape)
        return Proposal(rest, proposal.certainty, proposal.click)


def _is_cut_off(mask: Patch) -> bool:
    """True if a mask reaches an edge of its tile inside the image."""
    box, tile = mask.bounds(), mask.window
    if box is None:
        return False
    rows, cols = mask.image_shape
    return (
        box.top == tile.top > 0
        or box.left == tile.left > 0
        or box.bottom == tile.bottom < rows
        or box.right == tile.right < cols
    )


def _is_same(mask: Patch, rejected: Patch) -> bool:
    """True for a mask that the user has rejected, or one that is much like it."""
    if mask.window.intersection(rejected.window) is None:
        return False
    return iou(mask, rejected) > SAME


def _tight(masks: Sequence[Patch]) -> list[Patch]:
    return [mask for each in masks if (mask := tight(each)) is not None]


def _middle(window: Window) -> tuple[float, float]:
    return window.top + window.height / 2, window.left + window.width / 2


def _holds(window: Window, row: float, col: float) -> bool:
    return window.top <= row < window.bottom and window.left <= col < window.right


def _around(row: int, col: int, radius: int) -> tuple[slice, slice]:
    rows, cols = (slice(max(0, place - radius), place + radius + 1) for place in (row, col))
    return rows, cols
