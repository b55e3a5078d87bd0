"""Changes the predictor as the menus say, and back where the one that was chosen cannot be had."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from napari_cfr_icl._errors import DeviceError
from napari_cfr_icl.gui.interaction.predictors import EngineChoice, Tried
from napari_cfr_icl.gui.widgets.notices import in_short, show_error
from napari_cfr_icl.session.preferences import Preferences, save_preferences

if TYPE_CHECKING:
    from napari_cfr_icl.gui.interaction.presenter import Presenter

STAYS = "What was in use stays in use."
SHIPPED = "The model that comes with the plugin is used instead."
ANY_DEVICE = "The device is chosen automatically instead."


class EngineSwitch:
    """What the user chose, what of it works, and what is kept for the next day.

    Another model or device is kept once its predictor was made. Where that fails, everything is as
    it was before: the menus, what is kept, and the predictor, which gets the clicks made meanwhile.

    Parameters
    ----------
    screen : Presenter
        The session, and the dock whose menus say what is chosen.
    preferences : Preferences
        What was chosen last time.
    """

    def __init__(self, screen: Presenter, preferences: Preferences) -> None:
        self._screen = screen
        self._wanted = self._kept = preferences
        self._works: Preferences | None = None
        self._choice: EngineChoice | None = None
        self._made: EngineChoice | None = None
        screen.dock.engine.chosen.connect(self.choose)

    def prepare(self) -> None:
        """Have the predictor that is wanted made."""
        self._choice = EngineChoice.of(self._wanted)
        self._screen.session.use_engine(self._choice)
        if self._choice == self._made:
            self._note_that_it_works()

    def choose(self, chosen: Preferences) -> None:
        """Use this from now on."""
        self._wanted = replace(chosen, protect=self._wanted.protect)
        if (chosen.model, chosen.device) == (self._kept.model, self._kept.device):
            self._keep(self._wanted)
        self.prepare()

    def protect(self, protect: bool) -> None:
        """Keep whether other objects are protected; no predictor depends on it."""
        self._wanted = replace(self._wanted, protect=protect)
        self._keep(replace(self._kept, protect=protect))

    def receive(self, tried: Tried) -> None:
        """Learn how it went with a predictor; of those not wanted any more too."""
        self._made = tried.choice if tried.error is None else None
        if tried.choice != self._choice:
            return
        if tried.error is None:
            self._note_that_it_works()
        else:
            if self._works is not None and EngineChoice.of(self._works) == tried.choice:
                self._works = None
            self._go_back(tried.error)

    def _note_that_it_works(self) -> None:
        self._works = self._wanted
        self._keep(self._wanted)

    def _go_back(self, error: Exception) -> None:
        """Use what worked before; where nothing is left to try, the session tells the error."""
        instead, consequence = self._before(error)
        if EngineChoice.of(instead) == self._choice:
            return
        engine = self._screen.dock.engine
        engine.show_preferences(replace(instead, protect=self._wanted.protect))
        show_error(error)
        self._screen.insist(f"{in_short(error)} {consequence}")
        engine.chosen.emit(engine.preferences)

    def _before(self, error: Exception) -> tuple[Preferences, str]:
        """What is to be used instead of what could not be made, and how to say that."""
        if self._works is not None:
            return self._works, STAYS
        if isinstance(error, DeviceError) and self._wanted.device != Preferences().device:
            return replace(self._wanted, device=Preferences().device), ANY_DEVICE
        return Preferences(), SHIPPED

    def _keep(self, preferences: Preferences) -> None:
        if preferences != self._kept:
            self._kept = preferences
            save_preferences(preferences)
