"""Durations in words."""

from __future__ import annotations


def duration(seconds: float | None) -> str:
    """A rounded duration: "40 s", "12 min", "1 h 20 min"; empty where it is unknown."""
    if seconds is None:
        return ""
    if seconds < 100:
        return f"{max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60} min"


def time_left(seconds: float | None) -> str:
    """A rounded duration, and "left"."""
    return f"{duration(seconds)} left" if seconds is not None else ""
