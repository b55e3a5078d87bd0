from __future__ import annotations

from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Literal

import pytest

from napari_cfr_icl._errors import SettingsError
from napari_cfr_icl._options import Options, option, read, with_values


@dataclass(frozen=True, slots=True)
class Inner(Options):
    side: int | tuple[int, int] = option(400, "in pixels", (32, 4096), label="Side of a window")
    first: int | None = option(None, limits=(1, None))
    zoom: tuple[float, ...] = option((1.0, 2.0))
    kind: str = option("a", choices=("a", "b"))


@dataclass(frozen=True, slots=True)
class Outer(Options):
    inner: Inner | None = field(default_factory=Inner)
    rate: float = option(1.0, limits=(0, 5))
    flip: bool = False
    precision: Literal["float32", "fast"] = "fast"
    folder: Path = Path("here")


def test_a_field_knows_what_forms_and_the_command_line_need():
    side, first, _, kind = (spec.metadata for spec in fields(Inner))
    assert (side["help"], side["description"]) == ("in pixels", "in pixels")
    assert (side["title"], side["minimum"], side["maximum"]) == ("Side of a window", 32, 4096)
    assert (first["minimum"], first["maximum"], first["enum"]) == (1, None, None)
    assert kind["enum"] == ["a", "b"]


def test_plain_data_takes_the_types_of_the_fields():
    content = {"rate": 2, "folder": "there", "inner": {"side": [32, 64], "zoom": [1, 2.5]}}
    assert read(Outer, content) == Outer(
        Inner((32, 64), zoom=(1.0, 2.5)), rate=2.0, folder=Path("there")
    )
    assert read(Outer, {}) == Outer()
    assert read(Outer, {"inner": None}).inner is None


def test_values_that_are_not_named_stay():
    options = Outer(Inner(first=3), rate=2.0)
    assert with_values(options, {"inner": {"kind": "b"}}) == Outer(
        Inner(first=3, kind="b"), rate=2.0
    )
    assert options.inner == Inner(first=3)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ([], "This is a section of options, names with values, not []"),
        ({"speed": 1}, "There is no option speed; there are inner, rate, flip, precision, folder"),
        ({"inner": 3}, "inner is a section of options, names with values, not 3"),
        (
            {"inner": {"wide": 3}},
            "There is no option inner.wide; there are side, first, zoom, kind",
        ),
        ({"inner": {"side": [32, 1.5]}}, "inner.side must be a whole number, not [32, 1.5]"),
        ({"inner": {"zoom": ["one"]}}, "inner.zoom must be a number, not 'one'"),
        ({"inner": {"zoom": 1}}, "inner.zoom must be a list, not 1"),
        ({"inner": {"side": 9}}, "The side of a window must be from 32 to 4096, not 9"),
        ({"inner": {"first": 0}}, "The first must be at least 1, not 0"),
        ({"inner": {"kind": "c"}}, "There is no kind 'c'; choose one of a, b"),
        ({"rate": True}, "rate must be a number, not True"),
        ({"rate": float("nan")}, "The rate must be from 0 to 5, not nan"),
        ({"flip": 1}, "flip must be true or false, not 1"),
        ({"precision": "half"}, "precision must be 'float32' or 'fast', not 'half'"),
    ],
)
def test_other_content_is_refused_in_one_sentence(content, complaint):
    with pytest.raises(SettingsError) as refused:
        read(Outer, content)
    assert str(refused.value) == f"{complaint}."


def test_numbers_are_checked_however_the_options_are_made():
    with pytest.raises(SettingsError, match="side of a window must be a whole number, not 40"):
        Inner(side=40.5)
    with pytest.raises(SettingsError, match="from 32 to 4096, not 5000"):
        Inner(side=(40, 5000))
