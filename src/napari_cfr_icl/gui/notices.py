"""Tells the user what went wrong: one sentence, with the details behind napari's own button."""

from __future__ import annotations

from napari.utils.notifications import ErrorNotification, notification_manager

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
