"""Rendering: pixels of any type and any channels to the RGB image that is the network's input.

The model sees what is on the screen: the dock passes on the layer's own contrast limits and
colours. Without a screen `Rendering.guess` chooses them as napari would.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cfr_icl._errors import ImageError

if TYPE_CHECKING:
    from numpy.typing import NDArray

Colour = tuple[float, float, float]

WHITE: Colour = (1.0, 1.0, 1.0)
RGB: tuple[Colour, ...] = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
MIX: tuple[Colour, ...] = (
    (0.0, 1.0, 0.0),
    (1.0, 0.0, 1.0),
    (0.0, 1.0, 1.0),
    (1.0, 0.0, 0.0),
    (1.0, 1.0, 0.0),
    (0.0, 0.0, 1.0),
)
"""Colours of the channels of a picture that is not RGB, in turn."""

_MANY = 1e-3
"""Share of pixels without data that would spoil a contrast."""

_LARGEST = np.float64(1e30)  # a plain float would be taken for a number of the pixels' own type

PERCENTILES = (0.1, 99.9)
"""Share of the sampled pixels, in percent, between which contrast is stretched."""


@dataclass(frozen=True, slots=True)
class Channel:
    """Contrast and colour of one channel.

    Parameters
    ----------
    index : int
        Its index on the channel axis.
    colour : tuple of float
        (red, green, blue) at full brightness, each 0 to 1.
    low, high : float
        Contrast limits: pixel values drawn black and at full brightness.
    gamma : float
        Exponent on the stretched value; 1 changes nothing.
    """

    index: int
    colour: Colour
    low: float
    high: float
    gamma: float = 1.0


@dataclass(frozen=True, slots=True)
class Rendering:
    """Conversion of pixels to RGB: the sum of all channels, each stretched and coloured.

    Parameters
    ----------
    channels : tuple of Channel
        The channels to draw, at least one.
    """

    channels: tuple[Channel, ...]

    def __post_init__(self) -> None:
        if not self.channels:
            raise ImageError("Choose at least one channel for the model to see.")

    @classmethod
    def grey(cls, low: float = 0.0, high: float = 255.0, gamma: float = 1.0) -> Rendering:
        """One channel in shades of grey between the contrast limits."""
        return cls((Channel(0, WHITE, low, high, gamma),))

    @classmethod
    def rgb(cls, low: float = 0.0, high: float = 255.0) -> Rendering:
        """Red, green and blue channels between the contrast limits; alpha is ignored."""
        return cls(tuple(Channel(i, colour, low, high) for i, colour in enumerate(RGB)))

    @classmethod
    def guess(cls, sample: NDArray[Any], rgb: bool | None = None) -> Rendering:
        """Default rendering of an image.

        Parameters
        ----------
        sample : ndarray, shape (rows, columns) or (rows, columns, channels)
            Pixels of the image, all of it or some.
        rgb : bool, optional
            Whether three or four channels are RGB(A); by default they are.

        Returns
        -------
        Rendering
            RGB for three or four channels, grey for one, otherwise a mix of six colours in turn.
            8-bit pixels and floats between 0 and 1 keep their range, others are stretched between
            `PERCENTILES`.

        Raises
        ------
        ImageError
            When the array is not two-dimensional with optional channels, or not numeric.
        """
        if sample.ndim not in (2, 3) or sample.dtype.kind not in "buif":
            raise ImageError(
                "An image must be an array of numbers of (rows, columns) or (rows, columns, "
                f"channels), not {sample.dtype} of shape {sample.shape}."
            )
        if sample.ndim == 2 or sample.shape[2] == 1:
            return cls.grey(*_limits(sample))
        count = sample.shape[2]
        if rgb is None:
            rgb = count in (3, 4)
        if rgb:
            return cls.rgb(*_limits(sample[..., :3]))
        limits = [_limits(sample[..., i]) for i in range(count)]
        return cls(tuple(Channel(i, MIX[i % len(MIX)], *lim) for i, lim in enumerate(limits)))

    @property
    def is_plain_rgb(self) -> bool:
        """True if channels 0, 1, 2 are red, green, blue between 0 and 255."""
        return self == Rendering.rgb()

    def __call__(self, pixels: NDArray[Any]) -> NDArray[np.float32]:
        """Render pixels.

        Parameters
        ----------
        pixels : ndarray, shape (rows, columns) or (rows, columns, channels)
            Values of any numeric type; NaN is rendered black.

        Returns
        -------
        ndarray of float32, shape (rows, columns, 3)
            RGB, 0 to 1.
        """
        if pixels.ndim == 2:
            pixels = pixels[..., np.newaxis]
        if self.is_plain_rgb and pixels.dtype == np.uint8:
            # Division rather than multiplication by 1/255, as in the public code, bit for bit.
            quotient: NDArray[np.float32] = np.divide(pixels[..., :3], np.float32(255))
            return quotient
        if len(self.channels) == 1 and self.channels[0].colour == WHITE:
            grey = _stretched(pixels, self.channels[0])
            return np.repeat(grey[..., np.newaxis], 3, axis=2)
        picture = np.zeros((*pixels.shape[:2], 3), np.float32)
        for channel in self.channels:
            values = _stretched(pixels, channel)
            for i, weight in enumerate(channel.colour):
                if weight:
                    picture[..., i] += np.float32(weight) * values
        return np.clip(picture, 0, 1, out=picture)


def _stretched(pixels: NDArray[Any], channel: Channel) -> NDArray[np.float32]:
    """One channel between its contrast limits, 0 to 1; NaN becomes 0, infinities the ends."""
    if channel.index >= pixels.shape[2]:
        raise ImageError(
            f"The image has {pixels.shape[2]} channels; there is no channel {channel.index}."
        )
    if channel.high <= channel.low:
        return np.zeros(pixels.shape[:2], np.float32)
    # Wide integers and doubles lose the contrast of a narrow range if cut to float32 first.
    plane = pixels[..., channel.index]
    wide = plane.dtype.itemsize > 2 and plane.dtype != np.float32
    values: NDArray[np.floating[Any]] = plane.astype(np.float64 if wide else np.float32)
    values = (values - channel.low) / (channel.high - channel.low)
    values = np.nan_to_num(values, copy=False, nan=0.0, posinf=1.0, neginf=0.0)
    values = np.clip(values, 0, 1, out=values).astype(np.float32, copy=False)
    return values if channel.gamma == 1 else values ** np.float32(channel.gamma)


def empty_value(sample: NDArray[Any]) -> float | None:
    """The number that stands for no pixel, such as -9999; None where there is none.

    It is below zero, many pixels have it, and the others lie closer together than to it.
    """
    values = _measured(sample)
    if values.size == 0 or sample.dtype.kind not in "if":
        return None
    lowest = values.min()
    others = values[values != lowest].astype(np.float64)
    if lowest >= 0 or others.size == 0 or values.size - others.size < _MANY * values.size:
        return None
    span, gap = float(np.ptp(others)), float(others.min()) - float(lowest)
    return float(lowest) if 0 < span < gap else None


def _measured(sample: NDArray[Any]) -> NDArray[Any]:
    """The finite pixels of a sample; the largest floats stand for no pixel, as infinity does."""
    if sample.dtype.kind != "f":
        return sample.ravel()
    finite: NDArray[Any] = sample[np.isfinite(sample) & (np.abs(sample) < _LARGEST)]
    return finite


def _limits(sample: NDArray[Any]) -> tuple[float, float]:
    if sample.dtype == np.uint8:
        return 0.0, 255.0
    if sample.dtype == np.bool_:
        return 0.0, 1.0
    finite = _measured(sample)
    if finite.size == 0:
        return 0.0, 1.0
    empty = empty_value(sample)
    if empty is not None:
        finite = finite[finite != empty]
    if sample.dtype.kind == "f" and finite.min() >= 0 and 0.5 <= finite.max() <= 1:
        return 0.0, 1.0
    low, high = np.percentile(finite, PERCENTILES)
    if low == high:
        low, high = finite.min(), finite.max()
    return float(low), float(high)
