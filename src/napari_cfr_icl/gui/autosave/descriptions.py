"""Descriptions of an event log for people: its time, and its contents."""

from __future__ import annotations

from datetime import datetime

from napari_cfr_icl.autosave.event_log import EventLog


def when(seconds: float) -> str:
    """A time (seconds since 1970) for people: the hour today, else with the day."""
    time = datetime.fromtimestamp(seconds)
    return f"{time:%H:%M}" if time.date() == datetime.now().date() else f"{time:%d %b, %H:%M}"


def contents(log: EventLog) -> str:
    """Number of objects in a log."""
    count = counted(log.object_count)
    if log.current is None:
        return count if log.object_count else "changed labels"
    return f"{count} and one under way" if log.object_count else "one object under way"


def counted(count: int) -> str:
    """A number of objects."""
    return f"{count} object{'' if count == 1 else 's'}"
