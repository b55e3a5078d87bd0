"""Labels that wrap show all of their text."""

from __future__ import annotations

from qtpy.QtWidgets import QWidget

from napari_cfr_icl.gui.widgets.arrange import column, form, scrolling
from napari_cfr_icl.gui.widgets.wrapped_label import UnclippedLabel


def test_an_unclipped_label_is_as_high_as_its_text_needs_in_a_layout_without_room(qtbot):
    label = UnclippedLabel("one more object, or a box around it; " * 4)
    inside = form({"Alt + click": label})
    outside = column(scrolling(inside), into=QWidget())
    qtbot.addWidget(outside)
    outside.resize(300, 80)
    with qtbot.waitExposed(outside):
        outside.show()
    lines = label.fontMetrics().lineSpacing()
    for width in (300, 200):
        outside.resize(width, 80)
        inside.setMaximumHeight(2 * lines)
        qtbot.waitUntil(lambda: label.height() >= label.heightForWidth(label.width()))
        assert label.height() > 3 * lines
