"""The panel for the search for other objects of a kind."""

from __future__ import annotations

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QLabel, QPushButton, QSlider, QWidget

from napari_cfr_icl.engine.finding.options import SHOWN
from napari_cfr_icl.gui.views.dock_keys import DockKeys
from napari_cfr_icl.gui.widgets.arrange import column, row
from napari_cfr_icl.gui.widgets.key_button import KeyButton
from napari_cfr_icl.gui.widgets.progress_bar import ProgressBar

SLIDER_STEPS = 100


class FindPanel(QWidget):
    """A search, the certainty that its proposals need, and how many there are.

    Emits `find_requested`, `accept_requested`, `stop_requested` and `certainty_changed` (float, 0
    to 1).
    """

    find_requested = Signal()
    accept_requested = Signal()
    stop_requested = Signal()
    certainty_changed = Signal(float)

    def __init__(self) -> None:
        super().__init__()
        self.search = KeyButton(
            "Find the rest",
            "Propose the other objects that look like the finished ones: in the plane, or of a "
            "large one in what is on the screen, and farther with each search.",
        )
        self.accept = KeyButton(
            "Accept all", "Write all proposals above the slider that are not rejected."
        )
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setRange(0, SLIDER_STEPS)
        self.slider.setValue(round(SHOWN * SLIDER_STEPS))
        self.slider.setToolTip(
            "Proposals less certain than this are hidden. Outlines are yellow where it is certain, "
            "magenta where it is not, white when accepted, grey when rejected."
        )
        self.certainty_text = QLabel(f"{SHOWN:.2f}")
        self.counts = QLabel()
        self.counts.setWordWrap(True)
        self.progress = ProgressBar()
        self.stop = QPushButton("Stop")
        self.stop.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.stop.setToolTip("End the search; what was found stays.")
        self._lay_out()
        self._connect()
        self.show_counts(0, 0, 0)

    def _lay_out(self) -> None:
        slider = row(QLabel("Certainty"), self.slider, self.certainty_text)
        self._running = row(self.progress, self.stop, stretch=0)
        column(row(self.search, self.accept), slider, self.counts, self._running, into=self)
        self._running.hide()

    def _connect(self) -> None:
        self.search.clicked.connect(self.find_requested)
        self.accept.clicked.connect(self.accept_requested)
        self.stop.clicked.connect(self.stop_requested)
        self.slider.valueChanged.connect(self._on_slider_moved)

    @property
    def certainty(self) -> float:
        """The certainty that a proposal needs, 0 to 1."""
        return self.slider.value() / SLIDER_STEPS

    def show_keys(self, keys: DockKeys) -> None:
        """Show the keys in force."""
        self.search.show_key(keys.shown("find"))
        self.accept.show_key(keys.shown("accept"))

    def show_counts(self, shown: int, accepted: int, rejected: int) -> None:
        """Show how many proposals are on the screen, and how many of them are judged."""
        self.accept.setEnabled(shown > rejected)
        parts = [f"{shown} proposal{'' if shown == 1 else 's'}"]
        parts += [
            f"{count} {name}"
            for count, name in ((accepted, "accepted"), (rejected, "rejected"))
            if count
        ]
        self.counts.setText(", ".join(parts))
        self.counts.setVisible(shown > 0)

    def show_progress(self, done: int, total: int) -> None:
        """Show the progress of a search."""
        self._running.show()
        self.progress.setFormat("looked at %p %" if total else "begins")
        self.progress.show_progress(done, total)

    def show_end(self) -> None:
        """Show that no search is under way."""
        self._running.hide()

    def _on_slider_moved(self, value: int) -> None:
        self.certainty_text.setText(f"{value / SLIDER_STEPS:.2f}")
        self.certainty_changed.emit(value / SLIDER_STEPS)
