"""The switch to another model or method, and back when it cannot be loaded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from napari_cfr_icl._errors import DeviceError
from napari_cfr_icl.gui.interaction.predictors import EngineChoice, Tried
from napari_cfr_icl.gui.views.engine_panel import EnginePanel
from napari_cfr_icl.gui.widgets.notices import in_short, show_error
from napari_cfr_icl.session.preferences import Preferences, save_preferences
from napari_cfr_icl.session.session import Session

STAYS = "What was in use stays in use."
SHIPPED = "The model that comes with the plugin is used instead."
ANY_DEVICE = "The device is chosen automatically instead."


class EngineSwitch:
    """Applies the choices of the menus, and saves those that work.

    Another model or device is saved once its predictor was made. If that fails, everything returns
    to the former state: the menus, the saved choices, and the predictor, which gets the clicks made
    meanwhile.

    Parameters
    ----------
    session : Session
        Uses the predictor.
    panel : EnginePanel
        The menus.
    insist : callable
        Shows a sentence until the user does something.
    preferences : Preferences
        The choices of the last time.
    """

    def __init__(
        self,
        session: Session,
        panel: EnginePanel,
        insist: Callable[[str], None],
        preferences: Preferences,
    ) -> None:
        self._session = session
        self._panel = panel
        self._insist = insist
        self._wanted = self._kept = preferences
        self._works: Preferences | None = None
        self._choice: EngineChoice | None = None
        self._made: EngineChoice | None = None
        panel.chosen.connect(self.choose)

    def prepare(self) -> None:
        """Request the predictor of the current choices."""
        self._choice = EngineChoice.of(self._wanted)
        self._session.use_engine(self._choice)
        if self._choice == self._made:
            self._note_that_it_works()

    def choose(self, chosen: Preferences) -> None:
        """Use these choices from now on."""
        self._wanted = replace(chosen, protect=self._wanted.protect)
        if (chosen.model, chosen.device) == (self._kept.model, self._kept.device):
            self._keep(self._wanted)
        self.prepare()

    def protect(self, protect: bool) -> None:
        """Save the protection of other objects; no predictor depends on it."""
        self._wanted = replace(self._wanted, protect=protect)
        self._keep(replace(self._kept, protect=protect))

    def receive(self, tried: Tried) -> None:
        """Take note of a predictor that was made or failed, also of one no longer wanted."""
        self._made = tried.choice if tried.error is None else None
        if tried.choice != self._choice:
            return
        if tried.error is None:
            self._panel.show_contrast(tried.contrast)
            self._note_that_it_works()
        else:
            if self._works is not None and EngineChoice.of(self._works) == tried.choice:
                self._works = None
            self._go_back(tried.error)

    def _note_that_it_works(self) -> None:
        self._works = self._wanted
        self._keep(self._wanted)

    def _go_back(self, error: Exception) -> None:
        """Use the last choices that worked; without any, the session reports the error."""
        instead, consequence = self._before(error)
        if EngineChoice.of(instead) == self._choice:
            return
        self._panel.show_preferences(replace(instead, protect=self._wanted.protect))
        show_error(error)
        self._insist(f"{in_short(error)} {consequence}")
        self._panel.chosen.emit(self._panel.preferences)

    def _before(self, error: Exception) -> tuple[Preferences, str]:
        """The choices to fall back to, and the sentence about them."""
        if self._works is not None:
            return self._works, STAYS
        if isinstance(error, DeviceError) and self._wanted.device != Preferences().device:
            return replace(self._wanted, device=Preferences().device), ANY_DEVICE
        return Preferences(), SHIPPED

    def _keep(self, preferences: Preferences) -> None:
        if preferences != self._kept:
            self._kept = preferences
            save_preferences(preferences)
