"""A batch of training samples: pictures, and masks of all that is labelled in them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, slots=True)
class SampleBatch:
    """Pictures and masks of one size, all on one device.

    Parameters
    ----------
    images : Tensor of uint8, shape (B, 3, H, W)
        RGB.
    parts : Tensor of bool, shape (B, 2, H, W)
        The object to segment; the second plane is empty unless two objects are wanted as one.
    others : Tensor of bool, shape (B, 1, H, W)
        Other labelled objects.
    ignored : Tensor of bool, shape (B, 1, H, W)
        Where the truth is unknown: it neither teaches nor is clicked.
    """

    images: Tensor
    parts: Tensor
    others: Tensor
    ignored: Tensor

    def __len__(self) -> int:
        return len(self.images)

    @property
    def tensors(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """All four of them, in the order of the parameters."""
        return self.images, self.parts, self.others, self.ignored

    @property
    def mask(self) -> Tensor:
        """The object, bool of shape (B, 1, H, W)."""
        return self.parts.any(dim=1, keepdim=True)

    @property
    def target(self) -> Tensor:
        """1 on the object, 0 elsewhere, -1 where unknown: float32 of shape (B, 1, H, W)."""
        return torch.where(self.ignored & ~self.mask, -1.0, self.mask.float())

    def apply(self, change: Callable[[Tensor], Tensor]) -> SampleBatch:
        """The same change to all four tensors: a move to a device, a slice, a flip."""
        return SampleBatch(*(change(x) for x in self.tensors))

    def rows(self, rows: Tensor) -> SampleBatch:
        """The samples at `rows` (int64, (K,))."""
        return self.apply(lambda x: x[rows])

    def with_rows(self, rows: Tensor, values: SampleBatch) -> SampleBatch:
        """These samples, but those at `rows` replaced by `values`."""
        pairs = zip(self.tensors, values.tensors, strict=True)
        return SampleBatch(*(old.index_copy(0, rows, new) for old, new in pairs))

    def where(self, keep: Tensor, other: SampleBatch) -> SampleBatch:
        """These samples where `keep` (bool, (B,)), those of `other` elsewhere."""
        chosen = keep[:, None, None, None]
        pairs = zip(self.tensors, other.tensors, strict=True)
        return SampleBatch(*(torch.where(chosen, mine, others) for mine, others in pairs))
