"""A progress bar that is drawn when the screen has time for it."""

from __future__ import annotations

from qtpy.QtWidgets import QProgressBar


class ProgressBar(QProgressBar):
    """Qt's bar, without its drawing in the middle of `show_progress`.

    Qt draws a bar the moment its value is set; beside napari's canvas that repaints the whole
    window, which takes longer than most of the work whose progress is shown.

    Parameters
    ----------
    thin : bool
        A line without text.
    """

    def __init__(self, *, thin: bool = False) -> None:
        super().__init__()
        if thin:
            self.setTextVisible(False)
            self.setFixedHeight(8)

    def show_progress(self, done: int, total: int) -> None:
        """Show the progress of the work. Of an unknown total, 0, the bar is empty.

        Qt's own bar for that is animated, which takes the processor from the network where there
        is no graphics card.
        """
        self.setUpdatesEnabled(False)
        self.setRange(0, total or 1)
        self.setValue(done if total else 0)
        self.setUpdatesEnabled(True)
