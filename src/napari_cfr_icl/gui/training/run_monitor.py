"""A training run as its folder tells it: state, progress, curves, samples, verdict of the gate."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from qtpy.QtGui import QImage

from napari_cfr_icl.gui.training.process import MARK, ProcessMark, error_of, find_run, mark_of
from napari_cfr_icl.gui.widgets.durations import time_left

State = Literal["starting", "running", "stopping", "comparing", "stopped", "finished", "failed"]

GONE = (
    "The training process is gone without a word: it was killed, the machine was switched off, or "
    "its memory ran out. Resume goes on from the last checkpoint."
)
_CHUNK = 2**20
"""Most bytes of events that are read at once: parsing them holds up Python's other threads."""

_LITTLE_ROOM = 2**24
_ENDED = ("stopped", "finished", "failed")


@dataclass(frozen=True, slots=True)
class Curves:
    """Numbers of a run so far; a step that a resumed run repeated counts as it was last.

    Parameters
    ----------
    losses : dict of int to float
        Loss of the last pass of each step.
    rounds : dict of int to dict
        Clicks on held-out objects after some steps: noc80, noc85, noc90, iou1, objects.
    """

    losses: dict[int, float] = field(default_factory=dict)
    rounds: dict[int, dict[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RunStatus:
    """Snapshot of a run.

    Parameters
    ----------
    state : str
        "starting", "running", "stopping", "comparing": a process is at work; "stopped",
        "finished", "failed": none is.
    sentence : str
        The state in words.
    step, steps : int
        Steps done, and steps in all.
    passed : bool or None
        Verdict of the gate; None before there is one.
    can_resume : bool
        True if the run can be resumed.
    curves : Curves
        Losses and held-out clicks.
    samples : QImage or None
        The newest picture of samples.
    report : Path or None
        Report of the gate.
    """

    state: State
    sentence: str
    step: int = 0
    steps: int = 0
    passed: bool | None = None
    can_resume: bool = False
    curves: Curves = field(default_factory=Curves)
    samples: QImage | None = None
    report: Path | None = None

    @property
    def is_at_work(self) -> bool:
        """True while a process works on the run."""
        return self.state not in _ENDED


class RunMonitor:
    """Reads a run's folder repeatedly, each event once.

    Folders may lie on a slow network: everything but `run` belongs to a worker thread.

    Parameters
    ----------
    run : Path
        The folder.
    """

    def __init__(self, run: Path) -> None:
        self.run = run
        self._curves = Curves()
        self._offset = 0
        self._messages: dict[str, str] = {}
        self._samples: tuple[Path, QImage] | None = None

    def read(self) -> RunStatus:
        """Read what was written since the last time."""
        self._read_events()
        status = self._status()
        process = find_run(self.run, status)
        if process is not None:
            state, sentence = self._at_work(status, process)
        else:
            state, sentence = self._at_rest(status)
        verdict = _json(self.run / "gate" / "verdict.json") if state == "finished" else {}
        has_run = (self.run / "config.toml").is_file()
        report = self.run / "gate" / "report.md"
        return RunStatus(
            state,
            str(verdict.get("sentence", "")) or sentence,
            status.get("step", 0),
            status.get("steps", 0),
            verdict.get("passed"),
            has_run and state in ("stopped", "failed"),
            self._curves,
            self._newest_samples(),
            report if report.is_file() else None,
        )

    def request_stop(self) -> None:
        """Ask the run to stop; asked again, kill its process."""
        request, process = self.run / "stop", find_run(self.run, self._status())
        if request.exists() and process is not None:
            process.kill()
            request.unlink(missing_ok=True)
        else:
            request.touch()

    def _at_work(self, status: dict[str, Any], process: ProcessMark) -> tuple[State, str]:
        own = status.get("pid") == process.pid
        if own and status["state"] == "comparing":
            text = "Comparing with the base model on held-out objects"
            return "comparing", f"{self._messages.get('clicked', text)}…"
        if (self.run / "stop").exists():
            return "stopping", "Stopping after this step…"
        if own and status["state"] == "running":
            left = time_left(status.get("seconds_left"))
            text = f"Step {status['step']} of {status['steps']}, {left}."
            if clicked := self._messages.get("clicked"):
                text = f"{text} {clicked}…"
            trouble = self._messages.get("trouble")
            return "running", f"{text} {trouble}" if trouble else text
        doing = self._messages.get("clicked") or self._messages.get("note", "Starting")
        return "starting", f"{doing}…"

    def _at_rest(self, status: dict[str, Any]) -> tuple[State, str]:
        started, error = mark_of(self.run), error_of(self.run)
        state = status.get("state")
        if started is not None and status.get("time", 0.0) < started.created:
            # The last process ended before its first status; this one is an earlier process's.
            state = None
        if state == "finished":
            return "finished", "Finished; no objects were held out to compare it with the base."
        if state == "stopped":
            return "stopped", f"Stopped after step {status['step']}; it can go on."
        if error or state == "failed":
            return "failed", error or str(status.get("text", ""))
        if self._is_disk_full():
            return "failed", f"The disk of {self.run} is full; make room, then resume."
        return "failed", GONE

    def _status(self) -> dict[str, Any]:
        return _json(self.run / "status.json")

    def _newest_samples(self) -> QImage | None:
        newest = max((self.run / "samples").glob("step-*.png"), default=None)
        if newest is None:
            return None
        if self._samples is None or self._samples[0] != newest:
            self._samples = newest, QImage(str(newest))
        return self._samples[1]

    def _is_disk_full(self) -> bool:
        try:
            return shutil.disk_usage(self.run).free < _LITTLE_ROOM
        except OSError:
            return False

    def _read_events(self) -> None:
        try:
            with (self.run / "events.jsonl").open("rb") as file:
                file.seek(self._offset)
                content = file.read(_CHUNK)
        except OSError:
            return
        lines = content[: content.rfind(b"\n") + 1]
        if not lines:
            return
        self._offset += len(lines)
        # The snapshots that were given away keep theirs.
        self._curves = Curves(dict(self._curves.losses), dict(self._curves.rounds))
        for line in lines.splitlines():
            try:
                self._add(json.loads(line))
            except (ValueError, KeyError, TypeError, IndexError):
                continue  # torn when the power went

    def _add(self, event: dict[str, Any]) -> None:
        kind = event["event"]
        if kind == "step":
            self._curves.losses[event["step"]] = float(event["losses"][-1])
            self._messages.pop("clicked", None)
        elif kind == "held_out":
            self._curves.rounds[event["step"]] = event
            self._messages.pop("clicked", None)
        elif kind in ("trouble", "note", "clicked"):
            self._messages[kind] = str(event["text"])
        elif kind == "begin":
            self._messages.pop("trouble", None)


def holds_run(folder: Path) -> bool:
    """True if a run was started there, or is about to be."""
    return any((folder / name).is_file() for name in ("config.toml", MARK))


def _json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
