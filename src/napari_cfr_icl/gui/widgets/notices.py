"""Errors as napari's notifications, in one sentence.

Napari shows the first forty letters or so, and the rest once the notification is unfolded. Below
an error it has a button for the traceback, which only a fault of the program deserves.
"""

from __future__ import annotations

import logging
import re

from napari.utils.notifications import (
    ErrorNotification,
    Notification,
    NotificationSeverity,
    notification_manager,
)

from napari_cfr_icl._errors import CfrIclError

PLUGIN = "napari-cfr-icl"

_log = logging.getLogger(__name__)

_FOLDERS = re.compile(r"""(?<![^\s'"(])(?:~|[A-Za-z]:)?[\\/]{1,2}(?:[^\s\\/]+[\\/])*(?=[^\s\\/])""")
"""The folders before a file's name; up to the first space, for none can tell where a path ends."""


class Unexpected(CfrIclError):
    """A fault of ours; carries the real error as its cause."""


class Refusal(Notification):
    """An error of the user's; keeps the sentence alone, nothing of the dock or its layers."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence, NotificationSeverity.ERROR)

    def __str__(self) -> str:
        return str(self.message)


class Fault(ErrorNotification):
    """A fault of the program, with the traceback behind napari's own button."""

    @property
    def source(self) -> str:
        """The plugin's name; napari would show its own notification manager."""
        return PLUGIN


def in_short(error: Exception) -> str:
    """The sentence of an error, with names of files but not of their folders."""
    if isinstance(error, CfrIclError):
        return _FOLDERS.sub("", str(error))
    return (
        f"Something in the segmentation failed ({type(error).__name__}: {error}). "
        "Please report it with the details."
    )


def show_error(error: Exception) -> None:
    """Show `error` as a notification; a fault of the program gets a sentence of its own."""
    if isinstance(error, CfrIclError):
        _log.debug("shown to the user", exc_info=error)
        notification_manager.dispatch(Refusal(_with_folders(error)))
        return
    fault = Unexpected(in_short(error))
    fault.__cause__ = error
    fault.__traceback__ = error.__traceback__
    notification_manager.dispatch(Fault(fault))


def _with_folders(error: CfrIclError) -> str:
    """The short sentence followed by the folders: napari cuts off the end."""
    folders = dict.fromkeys(_FOLDERS.findall(str(error)))
    return "\n".join((in_short(error), *(f"Folder: {folder}" for folder in folders)))
