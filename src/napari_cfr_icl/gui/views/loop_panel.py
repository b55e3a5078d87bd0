"""The panel for the refinement steps of the last click."""

from __future__ import annotations

from qtpy.QtWidgets import QLabel, QWidget

from napari_cfr_icl.gui.views.messages import last_change, outcome
from napari_cfr_icl.gui.widgets.arrange import column
from napari_cfr_icl.gui.widgets.trace_view import TraceView
from napari_cfr_icl.session.protocols import Answer


class LoopPanel(QWidget):
    """The trace of the inner loop, and a sentence on its outcome."""

    def __init__(self) -> None:
        super().__init__()
        self.outcome = QLabel()
        self.change = QLabel()
        self.trace = TraceView()
        for label in (self.outcome, self.change):
            label.setWordWrap(True)
        column(self.trace, self.outcome, self.change, into=self)
        self.show_answer(None)

    def show_answer(self, answer: Answer | None) -> None:
        """Show the passes of this answer, or none."""
        self.trace.show_steps(answer.trace if answer is not None else ())
        self.outcome.setText(outcome(answer) if answer is not None else "")
        self.change.setText(last_change(answer.trace) if answer is not None else "")
        self.outcome.setVisible(answer is not None)
        self.change.setVisible(bool(self.change.text()))
