"""What a run of training looks like from outside: everything is read from its folder."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from napari_cfr_icl.gui.training.process import MARK, ProcessMark, complaint_of, find_run, mark_of
from napari_cfr_icl.gui.widgets.durations import time_left

State = Literal["starting", "running", "stopping", "comparing", "stopped", "finished", "failed"]

GONE = (
    "The training process is gone without a word: it was killed, the machine was switched off, or "
    "its memory ran out. Resume goes on from the last checkpoint."
)
_LARGEST_READ = 2**20
_LITTLE_ROOM = 2**24
ENDED = ("stopped", "finished", "failed")


@dataclass(frozen=True, slots=True)
class RunView:
    """How a run stands.

    Parameters
    ----------
    state : str
        "starting", "running", "stopping", "comparing": a process is at work; "stopped",
        "finished", "failed": none is.
    sentence : str
        For people.
    step, steps : int
        How far it is.
    passed : bool or None
        What the gate said; None while it has not.
    can_resume : bool
        Whether there is something to go on with.
    """

    state: State
    sentence: str
    step: int = 0
    steps: int = 0
    passed: bool | None = None
    can_resume: bool = False

    @property
    def is_at_work(self) -> bool:
        """Whether a process works on it."""
        return self.state not in ENDED


@dataclass(slots=True)
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


class RunWatch:
    """Reads a run's folder again and again, each event once.

    Parameters
    ----------
    run : Path
        The folder.
    """

    def __init__(self, run: Path) -> None:
        self.run = run
        self.curves = Curves()
        self._place = 0
        self._last_words: dict[str, str] = {}

    @property
    def process(self) -> ProcessMark | None:
        """The process that works on it, if any."""
        return find_run(self.run, self._status())

    @property
    def newest_sample(self) -> Path | None:
        """The newest picture of samples."""
        return max((self.run / "samples").glob("step-*.png"), default=None)

    @property
    def report(self) -> Path | None:
        """The report of the gate."""
        path = self.run / "gate" / "report.md"
        return path if path.is_file() else None

    def read(self) -> RunView:
        """How it stands now; takes up what was written since the last time."""
        self._read_events()
        status, process = self._status(), self.process
        step, steps = status.get("step", 0), status.get("steps", 0)
        has_run = (self.run / "config.toml").is_file()
        if process is not None:
            state, sentence = self._at_work(status, process)
        else:
            state, sentence = self._at_rest(status)
        passed, said = self._verdict() if state == "finished" else (None, "")
        can_resume = has_run and state in ("stopped", "failed")
        return RunView(state, said or sentence, step, steps, passed, can_resume)

    def _at_work(self, status: dict[str, Any], process: ProcessMark) -> tuple[State, str]:
        own = status.get("pid") == process.pid
        if own and status["state"] == "comparing":
            return "comparing", "Comparing with the base model on held-out objects…"
        if (self.run / "stop").exists():
            return "stopping", "Stopping after this step…"
        if own and status["state"] == "running":
            left = time_left(status.get("seconds_left"))
            text = f"Step {status['step']} of {status['steps']}, {left}."
            trouble = self._last_words.get("trouble")
            return "running", f"{text} {trouble}" if trouble else text
        return "starting", self._last_words.get("note", "Starting") + "…"

    def _at_rest(self, status: dict[str, Any]) -> tuple[State, str]:
        started, complaint = mark_of(self.run), complaint_of(self.run)
        state = status.get("state")
        if started is not None and status.get("time", 0.0) < started.created:
            # The last process ended before it said anything; this is what an earlier one said.
            state = None
        if state == "finished":
            return "finished", "Finished; no objects were held out to compare it with the base."
        if state == "stopped":
            return "stopped", f"Stopped after step {status['step']}; it can go on."
        if complaint or state == "failed":
            return "failed", complaint or str(status.get("text", ""))
        if self._is_disk_full():
            return "failed", f"The disk of {self.run} is full; make room, then resume."
        return "failed", GONE

    def _verdict(self) -> tuple[bool | None, str]:
        verdict = _json(self.run / "gate" / "verdict.json")
        return verdict.get("passed"), str(verdict.get("sentence", ""))

    def _status(self) -> dict[str, Any]:
        return _json(self.run / "status.json")

    def _is_disk_full(self) -> bool:
        try:
            return shutil.disk_usage(self.run).free < _LITTLE_ROOM
        except OSError:
            return False

    def _read_events(self) -> None:
        try:
            with (self.run / "events.jsonl").open("rb") as file:
                file.seek(self._place)
                # A long run is read in several goes, so that the screen does not wait for it.
                content = file.read(_LARGEST_READ)
        except OSError:
            return
        whole = content[: content.rfind(b"\n") + 1]
        self._place += len(whole)
        for line in whole.splitlines():
            try:
                self._take(json.loads(line))
            except (ValueError, KeyError, TypeError, IndexError):
                continue  # torn when the power went

    def _take(self, event: dict[str, Any]) -> None:
        kind = event["event"]
        if kind == "step":
            self.curves.losses[event["step"]] = float(event["losses"][-1])
        elif kind == "held_out":
            self.curves.rounds[event["step"]] = event
        elif kind in ("trouble", "note"):
            self._last_words[kind] = str(event["text"])
        elif kind == "begin":
            self._last_words.pop("trouble", None)


def holds_run(folder: Path) -> bool:
    """Whether a run was begun there, or is about to be."""
    return any((folder / name).is_file() for name in ("config.toml", MARK))


def _json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
