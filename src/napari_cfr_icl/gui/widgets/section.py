"""A collapsible section of a dock."""

from __future__ import annotations

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QPushButton, QVBoxLayout, QWidget

# Napari paints buttons as blocks; a heading should not shout.
STYLE = (
    "QPushButton { text-align: left; border: none; background: transparent;"
    " padding: 2px 0px; font-weight: bold; }"
)


class Section(QWidget):
    """A heading with content below it, which a click on the heading shows or hides.

    Parameters
    ----------
    title : str
        The heading.
    content : QWidget
        The content.
    opened : bool
        Whether it is shown at first.
    """

    def __init__(self, title: str, content: QWidget, *, opened: bool) -> None:
        super().__init__()
        self._title = title
        self._content = content
        self._heading = QPushButton()
        self._heading.setStyleSheet(STYLE)
        self._heading.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._heading.clicked.connect(self._on_heading_clicked)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(self._heading)
        layout.addWidget(content)
        self.set_open(opened)

    @property
    def is_open(self) -> bool:
        """True while the content is shown."""
        return not self._content.isHidden()

    @property
    def title(self) -> str:
        """The heading."""
        return self._heading.text()

    def set_title(self, title: str) -> None:
        """Give it another heading."""
        self._title = title
        self.set_open(self.is_open)

    def set_open(self, opened: bool) -> None:
        """Show or hide the content."""
        self._content.setVisible(opened)
        self._heading.setText(f"{'▾' if opened else '▸'}  {self._title}")

    def _on_heading_clicked(self) -> None:
        self.set_open(not self.is_open)
