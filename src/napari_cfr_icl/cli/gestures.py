"""A box, a scribble or a lasso, as it is written on the command line."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

from napari_cfr_icl._errors import ClickError, InputError, SettingsError
from napari_cfr_icl._files import read_text
from napari_cfr_icl.cli.arguments import is_number, numbers
from napari_cfr_icl.engine.prompts.gestures import Box, Gesture, Lasso, Scribble

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


def parse_gesture(box: str | None, scribble: str | None, lasso: Path | None) -> Gesture | None:
    """The one gesture that was given, if any.

    Raises
    ------
    CfrIclError
        When there are several, or one is written otherwise than its help says.
    """
    if sum(given is not None for given in (box, scribble, lasso)) > 1:
        raise SettingsError("Give one of --box, --scribble and --lasso; clicks may follow it.")
    if box is not None:
        return parse_box(box)
    if scribble is not None:
        return parse_scribble(scribble)
    return None if lasso is None else read_lasso(lasso)


def parse_box(text: str) -> Box:
    """A box written as TOP,LEFT,BOTTOM,RIGHT.

    Raises
    ------
    ClickError
        When it is written otherwise.
    """
    words = text.split(",")
    if len(words) != 4 or not all(map(is_number, words)):
        raise ClickError(f"{text!r} is no box: write TOP,LEFT,BOTTOM,RIGHT, such as 40,60,90,140.")
    return Box(*map(float, words))


def parse_scribble(text: str) -> Scribble:
    """A scribble written as ROW,COL ROW,COL ..., with a + or - at its end if it likes.

    Raises
    ------
    ClickError
        When it is written otherwise.
    """
    *places, sign = text.split() or [""]
    if sign not in ("+", "-"):
        places, sign = [*places, sign], "+"
    points = [place.split(",") for place in places]
    if not points or not all(len(pair) == 2 and all(map(is_number, pair)) for pair in points):
        raise ClickError(
            f"{text!r} is no scribble: write ROW,COL for each point with blanks between, and + for "
            'the object or - for the background at the end, such as "40,60 48,75 50,90 +".'
        )
    return Scribble(tuple((float(row), float(col)) for row, col in points), sign == "+")


def read_lasso(path: Path) -> Lasso:
    """A lasso from a text file: ROW,COL on each line, or one shape that napari saved as CSV.

    Raises
    ------
    InputError
        When it cannot be read, or holds something else.
    """
    try:
        lines = list(csv.reader(read_text(path).splitlines()))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"The lasso {path} cannot be read: {error}") from error
    rows = [row for row in lines if row]
    if rows and not is_number(rows[0][-1]):
        header = [name.strip() for name in rows.pop(0)]
        if header[0] == "index" and len({row[0] for row in rows}) > 1:
            raise InputError(f"{path} holds several shapes; save the lasso alone.")
    try:
        return Lasso(tuple(_place(row) for row in rows))
    except (ValueError, SettingsError) as error:
        raise ClickError(f"{path} is no lasso: write ROW,COL on each line. {error}") from error


def _place(row: Sequence[str]) -> tuple[float, float]:
    *_, line, column = numbers(",".join(row[-2:]))
    return line, column
