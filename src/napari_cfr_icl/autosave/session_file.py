"""The session file: the work on an image in one JSON file, to be opened or done again."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from napari_cfr_icl import __version__
from napari_cfr_icl._errors import InputError, OutputError
from napari_cfr_icl._files import atomic_path, explain_write_failure
from napari_cfr_icl.autosave.event_log import EventLog, decoded, encoded, log_from

if TYPE_CHECKING:
    from pathlib import Path

SUFFIX = ".cfrsession.json"
KIND = "napari-cfr-icl session"


def save_session(path: Path, work: EventLog) -> None:
    """Write the work, whole or not at all.

    Raises
    ------
    OutputError
        When it cannot be written; what was there before stays as it was.
    """
    # An event a line: a person can read it, and a version control system compare it.
    lines = ",\n".join(json.dumps(encoded(event)) for event in work.events())
    head = f'{{"kind": "{KIND}", "program": "{__version__}", "events": [\n'
    try:
        with atomic_path(path) as part:
            part.write_text(f"{head}{lines}\n]}}\n", encoding="utf-8")
    except OSError as error:
        raise OutputError(explain_write_failure(error, path.parent)) from error


def open_session(path: Path) -> EventLog:
    """The work in a session file.

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
