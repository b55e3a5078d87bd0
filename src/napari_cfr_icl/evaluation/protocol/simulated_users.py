"""Simulated users: the next click, given the truth and the mask so far.

The truth of an object is an int8 array, shape (rows, columns): 1 object, 0 background, -1 ignored.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
from scipy import ndimage

from napari_cfr_icl._errors import SettingsError
from napari_cfr_icl.engine.clicks import Click, Clicks
from napari_cfr_icl.engine.windows import Patch, Window
from napari_cfr_icl.evaluation.protocol.options import USERS

if TYPE_CHECKING:
    from numpy.typing import NDArray


class User(Protocol):
    """Someone who looks at a mask and clicks where it is wrong."""

    def next_click(self, truth: NDArray[np.int8], mask: NDArray[np.bool_], clicks: Clicks) -> Click:
        """The next click."""
        ...


@dataclass(frozen=True, slots=True)
class RobotUser:
    """The papers' user: always the point deepest inside the deepest error."""

    def next_click(self, truth: NDArray[np.int8], mask: NDArray[np.bool_], clicks: Clicks) -> Click:
        """The next click.

        Parameters
        ----------
        truth : ndarray of int8, shape (rows, columns)
            1 object, 0 background, -1 ignored.
        mask : ndarray of bool, shape (rows, columns)
            The mask so far.
        clicks : Clicks
            Made so far; their pixels are not clicked again.

        Returns
        -------
        Click
            On the object where the missed part is deeper than the surplus part, on the background
            otherwise; at (0, 0) on the background when nothing is left to correct.
        """
        error = _deepest_error(truth, mask, clicks)
        if error is None:
            return Click(0, 0, positive=False)
        row, col = error.deepest()
        return Click(row, col, positive=error.missed)


@dataclass(frozen=True, slots=True)
class RealisticUser:
    """A user who aims at the middle of the worst error, and misses it a little.

    Parameters
    ----------
    seed : int
        Seed of the scatter; the same seed, object and number of clicks give the same scatter.
    spread : float
        Standard deviation of the scatter, as a share of the error's depth at its deepest point.
    """

    seed: int = 0
    spread: float = 0.5

    def __post_init__(self) -> None:
        if not self.spread > 0:
            raise SettingsError(f"The spread of a user's clicks must exceed 0, not {self.spread}.")

    def next_click(self, truth: NDArray[np.int8], mask: NDArray[np.bool_], clicks: Clicks) -> Click:
        """The next click, inside the same connected error as the robot's; see `RobotUser`."""
        error = _deepest_error(truth, mask, clicks)
        if error is None:
            return Click(0, 0, positive=False)
        centre = error.deepest()
        depths = error.depths.values
        regions, _ = ndimage.label(depths > 0)
        top, left = error.depths.window.top, error.depths.window.left
        inside = regions == regions[centre[0] - top, centre[1] - left]
        rows, cols = np.nonzero(inside)
        distance2 = (rows + top - centre[0]) ** 2 + (cols + left - centre[1]) ** 2
        weights = np.exp(-distance2 / (2 * (self.spread * float(depths.max())) ** 2))
        chosen = np.random.default_rng([self.seed, len(clicks)]).choice(
            rows.size, p=weights / weights.sum()
        )
        return Click(int(rows[chosen]) + top, int(cols[chosen]) + left, positive=error.missed)


def user_for(name: str, seed: int, object_key: str) -> User:
    """The user called `name`, one of `USERS`, for one object.

    The seed is mixed with the object's key, so that what a user does with an object does not depend
    on which objects came before it.

    Raises
    ------
    SettingsError
        When there is no such user.
    """
    if name == "robot":
        return RobotUser()
    if name == "realistic":
        return RealisticUser(seed=zlib.crc32(f"{seed}:{object_key}".encode()))
    raise SettingsError(f"There is no user {name!r}; choose one of {', '.join(USERS)}.")


@dataclass(frozen=True, slots=True)
class _Error:
    """One kind of error, `missed` (object not in the mask) or surplus, and its depth per pixel."""

    missed: bool
    depths: Patch

    def deepest(self) -> tuple[int, int]:
        """The first (row, column), row by row, of the greatest depth."""
        row, col = np.unravel_index(int(np.argmax(self.depths.values)), self.depths.window.shape)
        return int(row) + self.depths.window.top, int(col) + self.depths.window.left


def _deepest_error(
    truth: NDArray[np.int8], mask: NDArray[np.bool_], clicks: Clicks
) -> _Error | None:
    missed = _depths((truth == 1) & ~mask, clicks)
    surplus = _depths((truth == 0) & mask, clicks)
    missed_depth = 0.0 if missed is None else float(missed.values.max())
    surplus_depth = 0.0 if surplus is None else float(surplus.values.max())
    if missed is not None and missed_depth > surplus_depth:
        return _Error(missed=True, depths=missed)
    if surplus is not None and surplus_depth > 0:
        return _Error(missed=False, depths=surplus)
    return None


def _depths(error: NDArray[np.bool_], clicks: Clicks) -> Patch | None:
    """Exact distance of each error pixel to the nearest pixel without error, 0 where clicked.

    Pixels beyond the image's border count as without error. Only the error's own box is
    transformed: the nearest pixel without error is never further away than the ring around it.
    """
    bounds = Patch.from_full(error).bounds()
    if bounds is None:
        return None
    padded = np.pad(error[bounds.slices], 1)
    # float32, as the public code compares depths: equal there means equal here
    depths = ndimage.distance_transform_edt(padded)[1:-1, 1:-1].astype(np.float32)
    for click in clicks:
        pixel = Window(round(click.row), round(click.col), 1, 1)
        if (hit := pixel.intersection(bounds)) is not None:
            depths[hit.relative_to(bounds).slices] = 0
    return Patch(depths, bounds, error.shape)
