"""The keys of the dock: its defaults, or those chosen in napari's preferences.

napari 0.9 and later make a page of preferences from `configurations` in our manifest. Before that
there is none, and the dock has its defaults.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from app_model.types import KeyCode
from napari.utils.key_bindings import coerce_keybinding
from qtpy.QtCore import QObject, Signal

from napari_cfr_icl._errors import SettingsError
from napari_cfr_icl.gui.widgets.notices import show_error
from napari_cfr_icl.gui.widgets.single_shot import single_shot

PLUGIN, SECTION = "napari-cfr-icl", "dock_keys"

TYPING_PAUSE = 1000
"""Milliseconds without a letter: napari reports every one that is typed in its preferences."""

NO_KEYS = (KeyCode.UNKNOWN, KeyCode.Shift, KeyCode.Ctrl, KeyCode.Alt, KeyCode.Meta)


@dataclass(frozen=True, slots=True)
class DockKey:
    """The action of a key, as the preferences title it, and its default."""

    title: str
    default: str


DOCK_KEYS = {
    "write": DockKey("Write and next", "W"),
    "undo": DockKey("Undo", "U"),
    "redo": DockKey("Redo", "Shift+U"),
    "drop": DockKey("Drop", "Q"),
    "grab": DockKey("Grab", "G"),
    "join": DockKey("Join", "Shift+G"),
    "split": DockKey("Split", "Shift+W"),
    "delete": DockKey("Delete", "Shift+Q"),
    "next_sign": DockKey("Background next", "N"),
    "find": DockKey("Find the rest", "R"),
    "accept": DockKey("Accept all", "Shift+R"),
    "hide": DockKey("Hide while held", "H"),
    "previous_plane": DockKey("Previous plane", "J"),
    "next_plane": DockKey("Next plane", "K"),
    "fill_planes": DockKey("Fill planes", "Shift+K"),
    "previous_image": DockKey("Previous image", "PageUp"),
    "next_image": DockKey("Next image", "PageDown"),
    "next_unfinished": DockKey("Next unfinished", "Shift+PageDown"),
}
"""By their names in the manifest, which has the same titles and defaults."""


class DockKeys(QObject):
    """The keys in force; `changed` is emitted when the user has chosen others.

    Attributes
    ----------
    in_force : dict of str to str
        The key of each name, as napari writes it: "Shift+U".
    """

    changed = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._section = _section()
        self._typing = single_shot(self, TYPING_PAUSE, self._on_chosen)
        self.in_force: dict[str, str] = {}
        self._take()
        if self._section is not None:
            self._section.events.connect(self._on_typed)

    def close(self) -> None:
        """Disconnect from the preferences. Touches no widget."""
        section, self._section = self._section, None
        if section is not None:
            section.events.disconnect(self._on_typed)

    def shown(self, name: str) -> str:
        """The key of a name, as the dock shows it."""
        return self.in_force[name].replace("Shift+", "⇧")

    def in_words(self, text: str) -> str:
        """A text with the keys in place of their names in braces."""
        for name in self.in_force:
            text = text.replace(f"{{{name}}}", self.shown(name))
        return text

    def _take(self) -> None:
        chosen = {
            name: str(getattr(self._section, name, key.default)) for name, key in DOCK_KEYS.items()
        }
        self.in_force, troubles = settle(chosen)
        for trouble in troubles:
            show_error(SettingsError(trouble))

    def _on_typed(self) -> None:
        self._typing.start()

    def _on_chosen(self) -> None:
        if self._section is not None:
            self._take()
            self.changed.emit()


def settle(chosen: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """The keys to use, and a sentence for each that is invalid.

    Parameters
    ----------
    chosen : mapping of str to str
        The user's text for every name of `DOCK_KEYS`.
    """
    keys, troubles = {}, []
    for name, text in chosen.items():
        key = _parsed(text)
        keys[name] = key or DOCK_KEYS[name].default
        if key is None:
            troubles.append(
                f"{text!r} is no key, so {_kept([name])}: write a letter or a name such as F5, "
                "with Shift-, Ctrl- or Alt- before it if you like."
            )
    while (twice := _duplicate(keys)) is not None:
        key, names = twice
        back = [name for name in names if key != DOCK_KEYS[name].default]
        titles = " and ".join(DOCK_KEYS[name].title for name in names)
        troubles.append(f"The key {key} is taken twice, by {titles}, so {_kept(back)}.")
        # Of all defaults no two are the same, so this comes to an end.
        keys.update((name, DOCK_KEYS[name].default) for name in back)
    return keys, troubles


def _parsed(text: str) -> str | None:
    """The key as napari writes it; None for an invalid one, or a sequence of keys."""
    try:
        binding = coerce_keybinding(text)
    except (IndexError, TypeError, ValueError):
        return None
    if len(binding) != 1 or binding.part0.key in NO_KEYS:
        return None
    return str(binding)


def _duplicate(keys: Mapping[str, str]) -> tuple[str, list[str]] | None:
    for key in keys.values():
        names = [name for name, other in keys.items() if other == key]
        if len(names) > 1:
            return key, names
    return None


def _kept(names: list[str]) -> str:
    keys = (DOCK_KEYS[name] for name in names)
    return " and ".join(f"{key.title} has {key.default}" for key in keys)


def _section() -> Any:
    """Our section of napari's settings for plugins; None if there is none."""
    try:
        from napari.settings import get_plugin_settings
    except ImportError:
        return None
    return getattr(get_plugin_settings().get(PLUGIN), SECTION, None)
