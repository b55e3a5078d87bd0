"""Tells the user what went wrong: one sentence, with the details behind napari's own button."""

from __future__ import annotations

from functools import partial
from traceback import clear_frames

from napari.utils.notifications import ErrorNotification, notification_manager
from qtpy.QtCore import QTimer

from napari_cfr_icl._errors import CfrIclError


class Unexpected(CfrIclError):
    """A fault of ours; carries the real error as its cause."""


class Trouble(ErrorNotification):
    """An error notification that is one sentence on the console too."""

    def __str__(self) -> str:
        return str(self.message)


def show_error(error: Exception) -> None:
    """Show `error` as a notification; a fault of the program gets a sentence of its own."""
    if not isinstance(error, CfrIclError):
        fault = Unexpected(
            f"Something in the segmentation failed ({type(error).__name__}: {error}). "
            "Please report it with the details."
        )
        fault.__cause__ = error
        fault.__traceback__ = error.__traceback__
        notification_manager.dispatch(ErrorNotification(fault))
    else:
        notification_manager.dispatch(Trouble(error))
        # Once the calls under way have ended.
        QTimer.singleShot(0, partial(_forget_values, error))


def _forget_values(error: BaseException) -> None:
    """Let go of what the functions that an error went through held; their lines stay.

    Napari keeps every notification until it is closed, and with it would live the dock, its undo
    steps and the layers in them.
    """
    link: BaseException | None = error
    while link is not None:
        clear_frames(link.__traceback__)
        link = link.__cause__ or link.__context__
