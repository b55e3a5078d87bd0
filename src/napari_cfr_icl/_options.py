"""Options: declared once as fields of frozen dataclasses, and read from plain data.

`option` makes a field whose metadata is all that anybody needs to know of it. The keys are those
that cyclopts and magicgui read by themselves: the command line and the forms are made from it.

==================  =============================================================
help, description   what the option means, with its unit; as help, and as tooltip
title               label in a form and in messages; "" for the field's name
minimum, maximum    limits, both included; of each item, where the option is a list; or None
enum                the words to choose from, or None
flag                name on the command line; "" for the field's name
==================  =============================================================

A class of such fields that inherits from `Options` checks its limits and words when it is made, and
`read` makes one from the content of a TOML or JSON file.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, Field, asdict, field, fields, is_dataclass
from math import inf
from typing import Any, ClassVar, TypeVar, get_args, get_type_hints

from napari_cfr_icl._errors import SettingsError

Kind = TypeVar("Kind")

_EXPECTED = {
    "bool_type": "true or false",
    "int_type": "a whole number",
    "float_type": "a number",
    "string_type": "a word",
    "tuple_type": "a list",
}


def option(
    default: Any = MISSING,
    text: str = "",
    limits: tuple[float, float | None] | None = None,
    choices: Sequence[str] = (),
    *,
    label: str = "",
    flag: str = "",
) -> Any:
    """A field of an option class.

    Parameters
    ----------
    default : optional
        Without one the option must be given.
    text : str
        What it means, with its unit: help on the command line, tooltip in a form.
    limits : tuple of float or None, optional
        Smallest and largest value; None for the latter: there is none.
    choices : sequence of str
        The words that can be chosen, where the type does not tell.
    label : str
        What a form and messages call it; its name by default.
    flag : str
        Name on the command line, such as "--iou"; made from its name by default.
    """
    low, high = limits or (None, None)
    metadata = {
        "help": text,
        "description": text,
        "title": label,
        "minimum": low,
        "maximum": high,
        "enum": list(choices) or None,
        "flag": flag,
    }
    return field(default=default, metadata=metadata)


class Options:
    """Base of option classes: checks every value against the limits and words of its field."""

    __slots__ = ()
    __pydantic_config__: ClassVar[Any] = {"extra": "forbid", "strict": True}

    def __post_init__(self) -> None:
        for spec in fields(self):  # type: ignore[arg-type]
            value, declared = getattr(self, spec.name), spec.metadata
            title = declared.get("title") or spec.name
            choices = declared.get("enum")
            if choices and value is not None and value not in choices:
                raise SettingsError(
                    f"There is no {title} {value!r}; choose one of {', '.join(choices)}."
                )
            low = declared.get("minimum")
            if value is not None and low is not None:
                for number in value if isinstance(value, tuple) else (value,):
                    _check_number(f"The {title[0].lower()}{title[1:]}", number, low, spec)


def _check_number(subject: str, number: Any, low: float, spec: Field[Any]) -> None:
    high = spec.metadata["maximum"]
    if not low <= number <= (inf if high is None else high):
        wanted = f"at least {low:g}" if high is None else f"from {low:g} to {high:g}"
        raise SettingsError(f"{subject} must be {wanted}, not {number}.")
    if isinstance(number, float) and "float" not in str(spec.type):
        raise SettingsError(f"{subject} must be a whole number, not {number}.")


def read(kind: type[Kind], content: Any) -> Kind:
    """An option class from plain data; what is missing takes its default.

    Raises
    ------
    SettingsError
        When something in it is no option, of another type, or out of its limits.
    """
    from pydantic import TypeAdapter, ValidationError

    try:
        # In JSON a list is a tuple and 1 is a number; nothing else is converted.
        return TypeAdapter(kind).validate_json(json.dumps(content, default=str))
    except ValidationError as error:
        raise SettingsError(_sentence(kind, error.errors()[0])) from None


def with_values(options: Kind, content: Mapping[str, Any]) -> Kind:
    """The options with other values; see `read`."""
    return read(type(options), _merged(asdict(options), content))  # type: ignore[call-overload]


def _merged(old: Any, new: Any) -> Any:
    if not (isinstance(old, dict) and isinstance(new, Mapping)):
        return new
    return {**old, **{name: _merged(old.get(name), value) for name, value in new.items()}}


def _sentence(kind: Any, error: Any) -> str:
    """One sentence on a value that cannot be read."""
    path: list[str] = []
    section: Any = kind
    for part in error["loc"]:
        if section is None:
            break  # what follows is a place in a list, or a type
        path.append(str(part))
        owner, hint = section, get_type_hints(section).get(str(part))
        section = next((each for each in (hint, *get_args(hint)) if is_dataclass(each)), None)
    name, value = ".".join(path), error["input"]
    if error["type"] == "unexpected_keyword_argument":
        return f"There is no option {name}; there are {', '.join(f.name for f in fields(owner))}."
    if error["type"] == "dataclass_type":
        return f"{name or 'This'} is a section of options, names with values, not {value!r}."
    expected = _EXPECTED.get(error["type"], error["msg"].removeprefix("Input should be "))
    return f"{name} must be {expected}, not {value!r}."
