"""Recipes: training options as TOML files, and values given on a command line."""

from __future__ import annotations

import json
import tomllib
from dataclasses import Field, fields, is_dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_cfr_icl._errors import SettingsError
from napari_cfr_icl._options import read, with_values
from napari_cfr_icl.training.options import TrainOptions

if TYPE_CHECKING:
    from collections.abc import Iterable

BUILT_IN = ("finetune", "paper")


def load_recipe(recipe: str | Path) -> TrainOptions:
    """Options from a recipe that comes with the package, or from a TOML file.

    Raises
    ------
    SettingsError
        When there is no such recipe or file, or it holds something that is no option.
    """
    if str(recipe) in BUILT_IN:
        here = resources.files("napari_cfr_icl.training") / "recipe_files" / f"{recipe}.toml"
        text = here.read_text("utf-8")
    else:
        try:
            text = Path(recipe).read_text("utf-8")
        except OSError as error:
            known = ", ".join(BUILT_IN)
            raise SettingsError(
                f"{recipe} is no recipe: give one of {known}, or a TOML file ({error.strerror})."
            ) from error
    return parse(text, str(recipe))


def parse(text: str, origin: str = "The recipe") -> TrainOptions:
    """Options from the text of a TOML file; what it does not name keeps its default."""
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{origin} is not valid TOML: {error}.") from error
    return read(TrainOptions, values)


def dumps(options: TrainOptions) -> str:
    """The options as TOML, each with its help as a comment; `parse` reads it back."""
    plain, sections = [], []
    for name, value, spec in _entries(options):
        if is_dataclass(value):
            lines = [_line(*entry) for entry in _entries(value)]
            sections.append("\n".join([f"[{name}]", *lines]))
        else:
            plain.append(_line(name, value, spec))
    return "\n\n".join(["\n".join(plain), *sections]) + "\n"


def with_assignments(options: TrainOptions, assignments: Iterable[str]) -> TrainOptions:
    """Options changed by values such as ``schedule.steps=500`` from a command line."""
    for text in assignments:
        name, equals, value = text.partition("=")
        if not equals:
            raise SettingsError(f"Write NAME=VALUE, such as schedule.steps=500, not {text!r}.")
        nested: Any = _parsed(value.strip())
        for part in reversed(name.strip().split(".")):
            nested = {part: nested}
        options = with_values(options, nested)
    return options


def _entries(options: Any) -> list[tuple[str, Any, Field[Any]]]:
    return [(spec.name, getattr(options, spec.name), spec) for spec in fields(options)]


def _line(name: str, value: Any, spec: Field[Any]) -> str:
    shown = list(value) if isinstance(value, tuple) else value
    return f"{name} = {json.dumps(shown)}  # {spec.metadata['help']}"


def _parsed(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text  # a bare word, as people write on a command line
