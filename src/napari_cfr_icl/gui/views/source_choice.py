"""Source of pictures with labels: two layers of the viewer, a folder or a file."""

from __future__ import annotations

from pathlib import Path

import napari
from napari.layers import Image
from qtpy.QtCore import Signal
from qtpy.QtWidgets import (
    QFileDialog,
    QLineEdit,
    QPushButton,
    QRadioButton,
    QStackedWidget,
    QWidget,
)

from napari_cfr_icl._errors import InputError
from napari_cfr_icl.gui.layers.click_layer import is_objects
from napari_cfr_icl.gui.layers.layer_files import LayerFiles
from napari_cfr_icl.gui.widgets.arrange import column, form, row
from napari_cfr_icl.gui.widgets.layer_combo import LayerCombo

Source = Path | LayerFiles


class SourceChoice(QWidget):
    """Choice of layers or of a path; `changed` is emitted when another one is chosen or typed.

    Parameters
    ----------
    viewer : napari.Viewer
        Its layers are offered.
    """

    changed = Signal()

    def __init__(self, viewer: napari.Viewer) -> None:
        super().__init__()
        self._layers = viewer.layers
        self.use_layers = QRadioButton("Layers")
        self.use_folder = QRadioButton("Folder or COCO json")
        self.image = LayerCombo(viewer.layers, lambda layer: isinstance(layer, Image))
        self.labels = LayerCombo(viewer.layers, is_objects)
        self.path = QLineEdit()
        self.path.setPlaceholderText("folder with images and labels")
        self.browse = QPushButton("Folder…")
        self.browse_file = QPushButton("File…")
        self._lay_out()
        self._connect()
        self.use_layers.setChecked(True)

    @property
    def is_layers(self) -> bool:
        """True if layers are chosen, False if a path."""
        return self.use_layers.isChecked()

    def source(self) -> Source:
        """The pictures that are chosen.

        Raises
        ------
        InputError
            When none are.
        MaskError
            When the labels are not of the image's size.
        """
        if self.is_layers:
            image, labels = self.image.layer, self.labels.layer
            if image is None or labels is None:
                raise InputError("Choose an image layer and the labels layer with its objects.")
            return LayerFiles.of(image, labels, self._layers)
        text = self.path.text().strip()
        if not text:
            raise InputError("Choose a folder with images and labels, or a COCO json.")
        return Path(text).expanduser()

    def close_events(self) -> None:
        """Disconnect from the layer list."""
        self.image.close_events()
        self.labels.close_events()

    def _lay_out(self) -> None:
        self._pages = QStackedWidget()
        self._pages.addWidget(form({"Image": self.image, "Labels": self.labels}))
        self._pages.addWidget(column(self.path, row(self.browse, self.browse_file)))
        column(row(self.use_layers, self.use_folder, QWidget(), stretch=2), self._pages, into=self)

    def _connect(self) -> None:
        self.use_layers.toggled.connect(self._on_kind)
        self.browse.clicked.connect(self._on_browse)
        self.browse_file.clicked.connect(self._on_browse_file)
        self.path.textChanged.connect(self.changed)
        self.image.layer_chosen.connect(self.changed)
        self.labels.layer_chosen.connect(self.changed)

    def _on_kind(self) -> None:
        self._pages.setCurrentIndex(0 if self.is_layers else 1)
        self.changed.emit()

    def _on_browse(self) -> None:
        if found := QFileDialog.getExistingDirectory(self, "Folder with images and labels"):
            self.path.setText(found)

    def _on_browse_file(self) -> None:
        kinds = "COCO json, lists (*.json *.csv)"
        found, _ = QFileDialog.getOpenFileName(self, "COCO json or a list of pairs", "", kinds)
        if found:
            self.path.setText(found)
