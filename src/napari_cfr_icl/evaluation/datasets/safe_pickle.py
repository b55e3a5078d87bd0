"""Pickles of plain data, read without running anything that they name.

A pickle may call any function that Python can import. Data sets need lists, numbers, strings and
byte arrays only: names of numpy are answered with inert stand-ins, every other name is refused.
"""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING, Any

from napari_cfr_icl._errors import InputError
from napari_cfr_icl.images.decode_errors import DAMAGE

if TYPE_CHECKING:
    from pathlib import Path


def read_pickle(path: Path) -> Any:
    """The plain data in a pickle; numpy arrays of bytes become `bytes`, numpy integers `int`.

    Raises
    ------
    InputError
        When the file is missing, damaged, or names anything else than numpy arrays.
    """
    try:
        with path.open("rb") as file:
            return _plain(_PlainUnpickler(file).load())
    except FileNotFoundError:
        raise InputError(f"There is no file {path}.") from None
    except (*DAMAGE, pickle.UnpicklingError, ImportError) as error:
        raise InputError(f"{path} is no pickle of plain data: {error}") from error


class _Type:
    """Stands for a numpy dtype, of which only the code counts."""

    def __init__(self, code: str, *_: object) -> None:
        self.code = code

    def __setstate__(self, state: object) -> None:
        """Byte order and the like change nothing about bytes."""


class _Array:
    """Stands for a numpy array of bytes."""

    def __init__(self, *_: object) -> None:
        self.content = b""

    def __setstate__(self, state: tuple[object, object, _Type, object, bytes]) -> None:
        _, _, dtype, _, content = state
        if dtype.code != "u1" or not isinstance(content, bytes):
            raise pickle.UnpicklingError(f"an array of {dtype.code!r} where bytes are expected")
        self.content = content


class _ArrayType:
    """Stands for the class numpy.ndarray, which a pickle only mentions."""


def _integer(dtype: _Type, content: bytes) -> int:
    if dtype.code[:1] not in ("u", "i") or not isinstance(content, bytes):
        raise pickle.UnpicklingError(f"a number of type {dtype.code!r} where integers are expected")
    return int.from_bytes(content, "little", signed=dtype.code[0] == "i")


def _latin1(text: str, _encoding: str = "latin1") -> bytes:
    """Bytes as pickles of the old protocols write them."""
    return text.encode("latin1")


_STAND_INS: dict[tuple[str, str], Any] = {
    ("numpy", "ndarray"): _ArrayType,
    ("numpy", "dtype"): _Type,
    ("_codecs", "encode"): _latin1,
    **{
        (f"numpy.{core}.multiarray", name): stand_in
        for core in ("core", "_core")
        for name, stand_in in (("_reconstruct", _Array), ("scalar", _integer))
    },
}


class _PlainUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        try:
            return _STAND_INS[module, name]
        except KeyError:
            raise pickle.UnpicklingError(f"it names {module}.{name}") from None


def _plain(value: Any) -> Any:
    """The same with stand-ins replaced, all the way down."""
    if isinstance(value, _Array):
        return value.content
    if isinstance(value, dict):
        return {_plain(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_plain(item) for item in value)
    return value
