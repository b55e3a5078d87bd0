"""Flags of a command, made from the fields of an option class and of its sections."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import MISSING, Field, fields, is_dataclass
from types import NoneType
from typing import Annotated, Any, TypeVar, get_args, get_type_hints

from cyclopts import Parameter, Token

from napari_cfr_icl._errors import SettingsError

Command = TypeVar("Command", bound=Callable[..., None])
Kind = TypeVar("Kind")


def flags(kind: type) -> Callable[[Command], Command]:
    """Give a command a flag for every option of a class, in place of its `**options`.

    Fields without a help text, and those that the command declares itself, become no flags.
    Sections that have a field of the same name share its flag.
    """

    def decorate(command: Command) -> Command:
        signature = inspect.signature(command)
        own = [each for each in signature.parameters.values() if each.kind != each.VAR_KEYWORD]
        names = {each.name for each in own}
        made = {spec.name: _flag(spec, hint) for spec, hint in _leaves(kind)}
        wanted = [each for each in made.values() if each.name not in names]
        command.__annotations__.update({each.name: each.annotation for each in wanted})
        command.__signature__ = signature.replace(parameters=[*own, *wanted])  # type: ignore[attr-defined]
        return command

    return decorate


def make(kind: type[Kind], values: Mapping[str, Any]) -> Kind:
    """An option class with its sections, from the values of its flags by field name."""
    given = {}
    for spec, hint in _fields(kind):
        if is_dataclass(hint):
            given[spec.name] = make(hint, values)  # type: ignore[arg-type]
        elif spec.name in values:
            given[spec.name] = values[spec.name]
    return kind(**given)


def numbers(text: str) -> tuple[float, ...]:
    """The numbers in a text, with commas or blanks between.

    Raises
    ------
    SettingsError
        When something in it is no number.
    """
    return tuple(_number(word) for word in _words(text))


def is_number(word: str) -> bool:
    """True if a word can be read as a number."""
    try:
        float(word)
    except ValueError:
        return False
    return True


def _fields(kind: type) -> Iterator[tuple[Field[Any], Any]]:
    hints = get_type_hints(kind)
    return ((spec, hints[spec.name]) for spec in fields(kind))


def _leaves(kind: type) -> Iterator[tuple[Field[Any], Any]]:
    for spec, hint in _fields(kind):
        if is_dataclass(hint):
            yield from _leaves(hint)  # type: ignore[arg-type]
        elif spec.metadata.get("help"):
            yield spec, hint


def _flag(spec: Field[Any], hint: Any) -> inspect.Parameter:
    item, *several = get_args(hint) or (None,)
    lists_numbers = several == [...] and item is not str
    about = Parameter(
        name=spec.metadata["flag"] or None,
        help=spec.metadata["help"],
        converter=_number_list if lists_numbers else None,
    )
    return inspect.Parameter(
        spec.name,
        inspect.Parameter.KEYWORD_ONLY,
        default=inspect.Parameter.empty if spec.default is MISSING else spec.default,
        annotation=Annotated[hint, about],
    )


def _number_list(hint: Any, tokens: Sequence[Token]) -> tuple[float | None, ...]:
    """Numbers with commas between; where one may be None, the word for that is "all"."""
    item = get_args(hint)[0]
    convert = float if item is float else round
    return tuple(
        None if word == "all" and NoneType in get_args(item) else convert(_number(word))
        for token in tokens
        for word in _words(token.value)
    )


def _words(text: str) -> list[str]:
    return text.replace(",", " ").split()


def _number(word: str) -> float:
    if not is_number(word):
        raise SettingsError(f"{word!r} is no number.")
    return float(word)
