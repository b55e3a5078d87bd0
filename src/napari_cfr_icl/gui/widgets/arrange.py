"""Layouts without margins, from nested lists of widgets, and areas that scroll."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QFormLayout,
    QGridLayout,
    QHBoxLayout,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)


def column(*widgets: QWidget, into: QWidget | None = None) -> QWidget:
    """Put widgets below each other, into a new widget by default."""
    into = into or QWidget()
    layout = QVBoxLayout(into)
    layout.setContentsMargins(0, 0, 0, 0)
    for widget in widgets:
        layout.addWidget(widget)
    return into


def row(*widgets: QWidget, stretch: int | None = None) -> QWidget:
    """Put widgets side by side; the one with the index `stretch` takes the rest of the width."""
    into = QWidget()
    layout = QHBoxLayout(into)
    layout.setContentsMargins(0, 0, 0, 0)
    for index, widget in enumerate(widgets):
        layout.addWidget(widget, int(index == stretch))
    return into


def grid(rows: Iterable[Sequence[QWidget]], into: QWidget | None = None) -> QWidget:
    """Put widgets into two columns of equal width; one that is alone in its row takes both."""
    into = into or QWidget()
    layout = QGridLayout(into)
    layout.setContentsMargins(0, 0, 0, 0)
    for column_index in (0, 1):
        layout.setColumnStretch(column_index, 1)
    for index, widgets in enumerate(rows):
        for place, widget in enumerate(widgets):
            layout.addWidget(widget, index, place, 1, 3 - len(widgets))
    return into


def form(rows: Mapping[str, QWidget]) -> QWidget:
    """Put widgets below each other, each with a label before it."""
    into = QWidget()
    layout = QFormLayout(into)
    layout.setContentsMargins(0, 0, 0, 0)
    for label, widget in rows.items():
        layout.addRow(label, widget)
    return into


def scrolling(widget: QWidget) -> QScrollArea:
    """Put a widget into an area without a frame, in which it scrolls up and down."""
    area = QScrollArea()
    area.setWidgetResizable(True)
    area.setFrameShape(QScrollArea.Shape.NoFrame)
    area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    area.setWidget(widget)
    return area
