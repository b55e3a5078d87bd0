"""Form fields made from the declarations of options."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from magicgui.widgets import FloatSpinBox, create_widget
from magicgui.widgets.bases import ValueWidget

_LARGEST = 2**31 - 1


def option_field(
    name: str, metadata: Mapping[str, Any], value: Any, *, unit: str = "", zero: str = ""
) -> ValueWidget[Any]:
    """The field of one option: a check box, a menu, a spin box or a line of text.

    Parameters
    ----------
    name : str
        Full name of the option.
    metadata : mapping
        Its limits, choices and help, as `_options.option` declares them.
    value : bool, int, float, str or tuple
        Its value. Numbers with decimals and lists become text, which keeps all their digits.
    unit : str
        Shown behind a whole number.
    zero : str
        Shown instead of the smallest number.
    """
    options: dict[str, Any] = {"tooltip": f"{metadata['help']}  ({name})"}
    if metadata["enum"]:
        options["choices"] = metadata["enum"]
    elif isinstance(value, int) and not isinstance(value, bool):
        options["min"] = int(metadata["minimum"] or 0)
        options["max"] = int(min(metadata["maximum"] or _LARGEST, _LARGEST))
    if not (unit or zero):
        return cast("ValueWidget[Any]", create_widget(value=as_shown(value), options=options))
    # The spin box for large whole numbers knows neither.
    field = FloatSpinBox(value=value, step=1, **options)
    field.native.setDecimals(0)
    field.native.setSuffix(unit)
    field.native.setSpecialValueText(zero)
    return field


def as_shown(value: Any) -> Any:
    """The content of a field that stands for a value."""
    if isinstance(value, tuple):
        return ", ".join(map(str, value))
    return str(value) if isinstance(value, float) else value


def as_option(shown: Any, old: Any) -> Any:
    """The content of a field as the type of `old`; text that is no number stays text."""
    if isinstance(old, tuple):
        return [_number(word) for word in shown.replace(",", " ").split()]
    if isinstance(old, float):
        return _number(shown.strip())
    return shown.strip() if isinstance(old, str) else type(old)(shown)


def _number(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text
