"""Tells the user what went wrong: one sentence, with the details behind napari's own button."""

from __future__ import annotations

from traceback import TracebackException

from napari.utils.notifications import ErrorNotification, notification_manager

from napari_cfr_icl._errors import CfrIclError


class Unexpected(CfrIclError):
    """A fault of ours; carries the real error as its cause."""


class Trouble(ErrorNotification):
    """An error notification that is one sentence on the console too.

    Napari keeps every notification until it is closed. The places that the error went through stay
    as text; its frames would keep the dock, its undo steps and the layers in them.
    """

    def __init__(self, error: CfrIclError) -> None:
        super().__init__(error)
        self._details = "".join(TracebackException.from_exception(error).format())
        _drop_frames(error)

    def __str__(self) -> str:
        return str(self.message)

    def as_text(self) -> str:
        """What napari shows behind its button."""
        return self._details


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


def _drop_frames(error: BaseException) -> None:
    link: BaseException | None = error
    while link is not None:
        link.__traceback__ = None
        link = link.__cause__ or link.__context__
