"""Stand-ins for the harmless types that training programs leave beside the weights in a pickle.

Arguments, paths, dates, settings and numpy's numbers are not weights, and no reason to refuse a
file. Each type is known by its dotted name alone: nothing is imported, none of its code is called,
and what is built in its place is empty, except numbers and arrays of numpy, whose values are read
from their bytes.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

__all__ = ["STAND_INS", "Array", "Inert"]


class Inert:
    """Object of any class: attributes without behaviour."""

    def __new__(cls, *_: object) -> Any:
        """An empty object, whatever it is made of."""
        return object.__new__(cls)

    def __init__(self, *_: object) -> None: ...

    def __setstate__(self, _: object) -> None: ...


class _Mapping:
    """Mapping of any class: its items, in one that the restricted reader fills."""

    def __new__(cls, *_: object) -> Any:
        return OrderedDict()


class _List:
    """Sequence of any class: its items."""

    def __new__(cls, *_: object) -> Any:
        return []


class _Dtype(Inert):
    """Type of numpy's numbers, by its code."""

    numpy: np.dtype[Any] | None = None

    def __init__(self, *arguments: object) -> None:
        # Integers, floats, complex numbers, booleans, bytes and texts; never Python objects.
        if arguments and re.fullmatch(r"[biufcSU]\d+", str(arguments[0])):
            self.numpy = np.dtype(str(arguments[0]))

    def __setstate__(self, state: Any) -> None:
        if self.numpy is not None:
            self.numpy = self.numpy.newbyteorder(state[1])

    def values(self, content: object) -> NDArray[Any] | None:
        """Values in raw bytes, in this machine's byte order; None if they are no numbers."""
        if self.numpy is None or not isinstance(content, bytes):
            return None
        return np.frombuffer(content, self.numpy).astype(self.numpy.newbyteorder("="))


class Array(Inert):
    """Array of numpy; `numbers` is None where they are no numbers."""

    numbers: NDArray[Any] | None = None

    def __setstate__(self, state: Any) -> None:
        _, shape, dtype, columns_first, content = state
        if (values := dtype.values(content)) is not None:
            self.numbers = values.reshape(shape, order="F" if columns_first else "C")


def _number(dtype: _Dtype, content: object) -> Any:
    values = dtype.values(content)
    return Inert() if values is None else values[0].item()


def _array(*_: object) -> Array:
    return Array()


def _inert() -> None:
    """Stand-in for a function that is mentioned only."""


_LOSS: Final = "isegm.model.modeling.transformer_helper.cross_entropy_loss"
_NAMES: Final[dict[Callable[..., Any], tuple[str, ...]]] = {
    Inert: (
        f"{_LOSS}.CrossEntropyLoss",
        *(
            f"{module}.{pure}{kind}Path"
            for module in ("pathlib", "pathlib._local")
            for pure in ("", "Pure")
            for kind in ("", "Posix", "Windows")
        ),
        *(f"datetime.{name}" for name in ("date", "datetime", "time", "timedelta", "timezone")),
        *(f"builtins.{n}" for n in ("bool", "bytes", "dict", "float", "frozenset", "int", "list")),
        *(f"builtins.{name}" for name in ("object", "range", "slice", "str", "tuple")),
        *(f"omegaconf.base.{name}" for name in ("Box", "ContainerMetadata", "Metadata", "Node")),
        *(f"omegaconf.nodes.{kind}Node" for kind in ("Any", "Boolean", "Float", "Integer")),
        "argparse.Namespace",
        "decimal.Decimal",
        "fractions.Fraction",
        "omegaconf.dictconfig.DictConfig",
        "omegaconf.listconfig.ListConfig",
        "omegaconf.nodes.StringNode",
        "torch.torch_version.TorchVersion",
        "types.SimpleNamespace",
        "typing.Any",
        "uuid.UUID",
    ),
    _Mapping: (
        "addict.addict.Dict",
        "collections.defaultdict",
        "easydict.EasyDict",
        "lightning.fabric.utilities.data.AttributeDict",
        "lightning.pytorch.utilities.parsing.AttributeDict",
        "lightning_fabric.utilities.data.AttributeDict",
        "mmengine.config.config.ConfigDict",
        "pytorch_lightning.utilities.parsing.AttributeDict",
        "yacs.config.CfgNode",
    ),
    _List: ("collections.deque",),
    _Dtype: ("numpy.dtype",),
    Array: ("numpy.ndarray",),
    _array: ("numpy.core.multiarray._reconstruct", "numpy._core.multiarray._reconstruct"),
    _number: ("numpy.core.multiarray.scalar", "numpy._core.multiarray.scalar"),
    _inert: (f"{_LOSS}.cross_entropy",),
}

STAND_INS: Final[list[Callable[..., Any] | tuple[Callable[..., Any], str]]] = [
    (stand_in, name) for stand_in, names in _NAMES.items() for name in names
]
"""For `torch.serialization.safe_globals`."""
