"""Has the inner loop of the newest click run again when there is time, and shows its masks."""

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
from napari_cfr_icl.session.objects import ObjectState
from napari_cfr_icl.session.protocols import Answer

PAUSE = 250
"""Milliseconds without a click before the loop is run again: clicking goes first."""

LAYER_NAME = "refinement step"


class RefinementInspector(QObject):
    """Follows a dock "Segment with clicks".

    `changed` is emitted with the `Inspection` whenever it grew or went, and `settings_changed`
    with the `Refinement` of the settings that are chosen there.

    Parameters
    ----------
    viewer : napari.Viewer
        Where masks are shown.
    parent : QObject
        What it dies with.
    """

    changed = Signal(object)
    settings_changed = Signal(object)

    def __init__(self, viewer: napari.Viewer, parent: QObject) -> None:
        super().__init__(parent)
        self._dock: OpenDock | None = None
        self._preview = Preview(viewer, LAYER_NAME, ORANGE, contour=2)
        self._look: Inspection | None = None
        self._today: EngineChoice | None = None
        self._wanted = False
        self._timer = single_shot(self, PAUSE, self._on_pause)

    @property
    def look(self) -> Inspection | None:
        """What was seen of the newest click."""
        return self._look

    @property
    def dock(self) -> OpenDock | None:
        """Whom it follows."""
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
            session.busy_changed.connect(self._on_busy_changed)
            session.inspected.connect(self._on_looked)
            self._on_engine_chosen()
        self._forget()

    def set_wanted(self, wanted: bool) -> None:
        """Look only while somebody is looking on."""
        self._wanted = wanted
        if wanted:
            self._timer.start()
        else:
            self._preview.remove()

    def show_step(self, step: int) -> None:
        """Show the mask of a step on the picture."""
        look, dock = self._look, self._dock
        if look is None or dock is None or look.state.scene is None or step > look.steps:
            return
        image = dock.workspace.image
        if image is not None and look.state.scene.plane[0] == image.unique_id:
            self._preview.show(look.mask(step), image, look.state.scene.plane[1])

    def close(self) -> None:
        """Let go of the session and the viewer."""
        self._wanted = False
        self._disconnect()
        self._dock = self._look = None
        self._preview.remove()

    def _disconnect(self) -> None:
        if self._dock is None:
            return
        session = self._dock.session
        session.object_changed.disconnect(self._on_object_changed, missing_ok=True)
        session.busy_changed.disconnect(self._on_busy_changed, missing_ok=True)
        session.inspected.disconnect(self._on_looked, missing_ok=True)

    def _forget(self) -> None:
        self._look = None
        self._preview.remove()
        self.changed.emit(None)
        self._timer.start()

    def _on_engine_chosen(self, chosen: Any = None) -> None:
        if self._dock is None:
            return
        self._today = EngineChoice.of(self._dock.view.engine.preferences)
        self.settings_changed.emit(self._today.settings_for(None).refinement)
        self._timer.start()

    def _on_object_changed(self, state: ObjectState) -> None:
        if self._look is not None and state is not self._look.state:
            self._forget()
        self._timer.start()

    def _on_busy_changed(self, busy: bool) -> None:
        if not busy:
            self._timer.start()

    def _on_pause(self) -> None:
        if not self._wanted or self._dock is None or self._today is None:
            return
        session = self._dock.session
        if self._look is not None and self._look.state is session.state:
            return
        settings = self._today.settings_for(None)
        whole = Refinement(steps=STEPS_SHOWN, rezoom=settings.refinement.rezoom)
        self._look = Inspection(session.state, mask_threshold=settings.mask_threshold)
        if not session.inspect(
            replace(self._today, refinement=whole, inference="", every_click=False)
        ):
            self._look = None

    def _on_looked(self, answer: Answer | None) -> None:
        if self._look is None or answer is None:
            return
        self._look = self._look.with_answer(answer)
        self.changed.emit(self._look)
