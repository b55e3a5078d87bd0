"""Repeats the refinement of the newest click while the session is idle, and shows its masks."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import napari
from qtpy.QtCore import QObject, Signal

from napari_cfr_icl.engine.settings import Refinement
from napari_cfr_icl.gui.interaction.open_docks import OpenDock
from napari_cfr_icl.gui.interaction.predictors import EngineChoice
from napari_cfr_icl.gui.layers.preview import Preview
from napari_cfr_icl.gui.tuning.inspection import Inspection
from napari_cfr_icl.gui.tuning.inspector_panel import STEPS_SHOWN
from napari_cfr_icl.gui.widgets.single_shot import single_shot
from napari_cfr_icl.gui.widgets.themed_canvas import ORANGE
from napari_cfr_icl.session.protocols import Answer

PAUSE = 250
"""Milliseconds without a click before the loop is run again: clicking goes first."""

LAYER_NAME = "refinement step"


class RefinementInspector(QObject):
    """Follows a dock "Segment with clicks".

    `changed` is emitted with the `Inspection` after each pass, or None when there is none any more;
    `settings_changed` with the `Refinement` of the settings that are chosen in the dock.

    Parameters
    ----------
    viewer : napari.Viewer
        The viewer that shows the masks.
    parent : QObject
        Owner, as in Qt.
    """

    changed = Signal(object)
    settings_changed = Signal(object)

    def __init__(self, viewer: napari.Viewer, parent: QObject) -> None:
        super().__init__(parent)
        self._dock: OpenDock | None = None
        self._preview = Preview(viewer, LAYER_NAME, ORANGE, contour=2)
        self._inspection: Inspection | None = None
        self._engine: EngineChoice | None = None
        self._active = False
        self._timer = single_shot(self, PAUSE, self._on_pause)

    @property
    def inspection(self) -> Inspection | None:
        """Inner loop of the newest click, as far as it was run."""
        return self._inspection

    @property
    def dock(self) -> OpenDock | None:
        """The dock that is followed."""
        return self._dock

    def follow(self, dock: OpenDock | None) -> None:
        """Follow this dock instead; None follows none."""
        if dock is self._dock:
            return
        self._disconnect()
        self._dock = dock
        if dock is not None:
            dock.view.engine.chosen.connect(self._on_engine_chosen)
            session = dock.session
            session.object_changed.connect(self._on_object_changed)
            session.stepped.connect(self._on_object_changed)
            session.busy_changed.connect(self._on_busy_changed)
            session.inspected.connect(self._on_inspected)
            self._on_engine_chosen()
        self._clear()

    def set_active(self, active: bool) -> None:
        """Inspect only while the inspection can be seen."""
        self._active = active
        if active:
            self._timer.start()
        else:
            self._preview.remove()

    def show_step(self, step: int) -> None:
        """Show the mask of a step on the picture."""
        inspection, dock = self._inspection, self._dock
        if inspection is None or dock is None or step > inspection.steps:
            return
        scene, image = inspection.state.scene, dock.workspace.image
        if scene is not None and image is not None and scene.plane[0] == image.unique_id:
            self._preview.show(inspection.mask(step), image, scene.plane[1])

    def close(self) -> None:
        """Let go of the session and the viewer."""
        self._active = False
        self._disconnect()
        self._dock = self._inspection = None
        self._preview.remove()

    def _disconnect(self) -> None:
        if self._dock is None:
            return
        session = self._dock.session
        session.object_changed.disconnect(self._on_object_changed, missing_ok=True)
        session.stepped.disconnect(self._on_object_changed, missing_ok=True)
        session.busy_changed.disconnect(self._on_busy_changed, missing_ok=True)
        session.inspected.disconnect(self._on_inspected, missing_ok=True)

    def _clear(self) -> None:
        self._inspection = None
        self._preview.remove()
        self.changed.emit(None)
        self._timer.start()

    def _on_engine_chosen(self, chosen: Any = None) -> None:
        if self._dock is None:
            return
        self._engine = EngineChoice.of(self._dock.view.engine.preferences)
        self.settings_changed.emit(self._engine.settings_for(None).refinement)
        self._timer.start()

    def _on_object_changed(self) -> None:
        state = None if self._dock is None else self._dock.session.state
        if self._inspection is not None and state is not self._inspection.state:
            self._clear()
        self._timer.start()

    def _on_busy_changed(self, busy: bool) -> None:
        if not busy:
            self._timer.start()

    def _on_pause(self) -> None:
        if not self._active or self._dock is None or self._engine is None:
            return
        session = self._dock.session
        if self._inspection is not None and self._inspection.state is session.state:
            return
        settings = self._engine.settings_for(None)
        whole = Refinement(steps=STEPS_SHOWN, rezoom=settings.refinement.rezoom)
        self._inspection = Inspection(session.state, mask_threshold=settings.mask_threshold)
        if not session.inspect(
            replace(self._engine, refinement=whole, inference="", every_click=False)
        ):
            self._inspection = None

    def _on_inspected(self, answer: Answer | None) -> None:
        if self._inspection is None or answer is None:
            return
        self._inspection = self._inspection.with_answer(answer)
        self.changed.emit(self._inspection)
