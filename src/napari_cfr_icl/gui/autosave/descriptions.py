"""What is said about work: when it was begun, and what is in it."""

from __future__ import annotations

from datetime import datetime

from napari_cfr_icl.autosave.event_log import EventLog


def when(began: str) -> str:
    """A time as people say it: the hour today, else the day, too."""
    try:
        time = datetime.fromisoformat(began)
    except ValueError:
        return began
    return f"{time:%H:%M}" if time.date() == datetime.now().date() else f"{time:%d %b, %H:%M}"


def contents(work: EventLog) -> str:
    """What is in a work, counted."""
    count = counted(work.object_count)
    return count if work.current is None else f"{count} and one under way"


def counted(count: int) -> str:
    """So many objects."""
    return f"{count} object{'' if count == 1 else 's'}"
