"""Menus with texts that may be wider than the dock."""

from __future__ import annotations

from typing import Any

from qtpy.QtWidgets import QComboBox, QSizePolicy


def keep_narrow(menu: QComboBox) -> None:
    """Let a menu cut off its texts, which would otherwise widen the dock."""
    menu.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
    menu.setMinimumContentsLength(8)
    menu.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)


def widen_list(menu: QComboBox) -> None:
    """Make the list of a menu as wide as its longest text."""
    view: Any = menu.view()
    bar = view.verticalScrollBar().sizeHint().width()
    view.setMinimumWidth(view.sizeHintForColumn(0) + bar)
