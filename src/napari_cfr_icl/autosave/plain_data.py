"""Frozen records as plain data for JSON, and back."""

from __future__ import annotations

from collections.abc import Callable  # noqa: TC003  pydantic reads it
from dataclasses import dataclass
from functools import cache
from typing import Any, Self

from pydantic import TypeAdapter, ValidationError
from pydantic_core import CoreSchema, core_schema


class Serializable:
    """Base of dataclasses whose fields say how they are written."""

    __slots__ = ()

    def to_data(self) -> dict[str, Any]:
        """Plain data for JSON."""
        record_type: Any = type(self)
        data: dict[str, Any] = _adapter(record_type).dump_python(self, mode="json")
        return data

    @classmethod
    def from_data(cls, data: Any) -> Self:
        """The record that `to_data` was called on.

        Raises
        ------
        ValueError, TypeError, LookupError, CfrIclError
            When the data are damaged.
        """
        try:
            record_type: Any = cls
            record: Self = _adapter(record_type).validate_python(data)
        except ValidationError as error:
            raise ValueError(f"{cls.__name__}: {error.errors()[0]['msg']}") from error
        return record


@dataclass(frozen=True, slots=True)
class WrittenAs:
    """Annotation of a field that pydantic does not know.

    Parameters
    ----------
    to_data, from_data : callable
        Its value as plain data, and back.
    """

    to_data: Callable[[Any], Any]
    from_data: Callable[[Any], Any]

    def __get_pydantic_core_schema__(self, _source: Any, _handler: Any) -> CoreSchema:
        """Schema that asks the two functions alone."""
        return core_schema.no_info_plain_validator_function(
            self.from_data,
            serialization=core_schema.plain_serializer_function_ser_schema(self.to_data),
        )


@cache
def _adapter(cls: type) -> TypeAdapter[Any]:
    return TypeAdapter(cls)
