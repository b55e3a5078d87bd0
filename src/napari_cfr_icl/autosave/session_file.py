"""The session file: the event log of an image in one JSON file, to be opened or replayed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from napari_cfr_icl import __version__
from napari_cfr_icl._errors import InputError
from napari_cfr_icl._files import atomic_path, explained_write_failures
from napari_cfr_icl.autosave.event_log import EventLog, decoded, encoded, log_from

if TYPE_CHECKING:
    from pathlib import Path

SUFFIX = ".cfrsession.json"
KIND = "napari-cfr-icl session"


def save_session(path: Path, log: EventLog) -> None:
    """Write an event log, whole or not at all.

    Raises
    ------
    OutputError
        When it cannot be written; a file that was there before stays unchanged.
    """
    # An event a line: a person can read it, and a version control system compare it.
    lines = ",\n".join(json.dumps(encoded(event)) for event in log.events())
    head = f'{{"kind": "{KIND}", "program": "{__version__}", "events": [\n'
    with explained_write_failures(path.parent), atomic_path(path) as part:
        part.write_text(f"{head}{lines}\n]}}\n", encoding="utf-8")


def open_session(path: Path) -> EventLog:
    """The event log in a session file.

    Raises
    ------
    InputError
        When it is missing, or no session file, or damaged.
    """
    try:
        data: Any = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(data, dict) or data.get("kind") != KIND:
            raise InputError("It does not say that it is one.")
        return log_from([decoded(event) for event in data["events"]])
    except OSError as error:
        raise InputError(f"{path} cannot be opened ({error.strerror or error}).") from error
    except (InputError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise InputError(f"{path} is no session file, or damaged: {error}") from error
