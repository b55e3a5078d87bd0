"""The session's needs of others: a predictor, its answers, and a plane of labels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from napari_cfr_icl.engine.clicks import Clicks
    from napari_cfr_icl.engine.windows import Patch, Window


class StepLike(Protocol):
    """One pass of the inner loop: the part of `engine.StepTrace` that is used here."""

    @property
    def index(self) -> int:
        """Number of the pass, from 0."""

    @property
    def changed_pixels(self) -> int | None:
        """Pixels whose value changed since the pass before; None for the first."""

    @property
    def threshold_pixels(self) -> int | None:
        """Fewer changed pixels than this stop the loop; None where it has no threshold."""

    @property
    def seconds(self) -> float:
        """Duration."""


class Answer(Protocol):
    """A predictor's answer to the clicks: the part of `engine.Prediction` that is used here."""

    @property
    def probabilities(self) -> Patch:
        """Probability of the object, float32, 0 to 1."""

    @property
    def trace(self) -> Sequence[StepLike]:
        """The passes so far."""

    @property
    def stopped(self) -> str:
        """Reason why the inner loop stopped; "running" while it goes on."""

    @property
    def passes(self) -> int:
        """Number of passes so far."""


class PredictorLike(Protocol):
    """The one method of `engine.Predictor` that the session needs."""

    def steps(
        self, source: Any, clicks: Clicks, previous: Any = None, view: Window | None = None
    ) -> Iterator[Answer]:
        """One answer after each pass of the inner loop."""


class LabelPlane(Protocol):
    """The plane of a label image that finished objects are written into."""

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, columns)."""

    @property
    def is_there(self) -> bool:
        """False once the label image has another shape than when this plane of it was taken."""

    def next_label(self) -> int:
        """The next free id.

        Raises
        ------
        OutputError
            When the label image's type has no id left.
        """

    def fit(self, mask: Patch) -> Patch:
        """A mask of the image's plane in the pixels of this one."""

    def to_image(self, mask: Patch) -> Patch:
        """A mask of this plane in the pixels of the image's."""

    def read(self, window: Window) -> NDArray[Any]:
        """The ids in `window`, as a copy."""

    def write(self, window: Window, changed: NDArray[np.bool_], ids: NDArray[Any] | int) -> None:
        """Set the pixels of `window` where `changed` is true to `ids`, in their order, or to one.

        Raises
        ------
        OutputError
            When the label image cannot be written.
        """
