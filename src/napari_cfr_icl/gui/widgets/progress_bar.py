"""A progress bar that is drawn when the screen has time for it."""

from __future__ import annotations

from qtpy.QtWidgets import QProgressBar


class ProgressBar(QProgressBar):
    """Qt's bar, without its drawing in the middle of `show_progress`.

    Qt draws a bar the moment its value is set; beside napari's canvas that puts the whole window
    together, which takes longer than most of what the bar tells about.
    """

    def show_progress(self, done: int, total: int) -> None:
        """Tell how far the work is; of 0 in all: nobody knows."""
        self.setUpdatesEnabled(False)
        self.setRange(0, total)
        self.setValue(done)
        self.setUpdatesEnabled(True)
