"""The folder of a run: its options, its events, and everything needed to go on.

    config.toml        the options            data.json         collections, split, fingerprints
    environment.json   versions, machine      events.jsonl      one JSON object per line
    status.json        how far it is, for whoever looks on      stop    appears when it should stop
    checkpoints/       the last two           best.pt           the best averaged weights so far
    samples/           pictures of samples    curves.png        loss and held-out clicks
    model.safetensors  the result             gate/             the comparison with the base
    features/          of a frozen encoder, while the run goes on

A file appears complete or not at all. Whoever watches a run (a dock, a script) reads these files;
nothing else connects them.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from pickle import UnpicklingError
from typing import TYPE_CHECKING, Any

import torch

from napari_cfr_icl._errors import OutputError
from napari_cfr_icl._files import (
    atomic_path,
    atomic_write_json,
    atomic_write_text,
    cut_torn_line,
    explain_write_failure,
    explained_write_failures,
)
from napari_cfr_icl.training import recipes

if TYPE_CHECKING:
    from pathlib import Path

    from napari_cfr_icl.training.options import TrainOptions

Event = dict[str, Any]
Listener = Callable[[Event], None]
_KEPT_CHECKPOINTS = 2
_FAILURES_BORNE = 3


class RunFolder:
    """The files of one run.

    Parameters
    ----------
    path : Path
        The folder; `begin` makes it.
    listener : callable, optional
        Hears every event as it is written.
    """

    def __init__(self, path: Path, listener: Listener | None = None) -> None:
        self.path = path
        self._listener = listener
        self._unwritten: list[str] = []
        self._log_is_whole = False
        self._failures = 0

    @property
    def has_run(self) -> bool:
        """True where a run was begun here."""
        return (self.path / "config.toml").is_file()

    def begin(self, options: TrainOptions, data: dict[str, Any], machine: dict[str, Any]) -> None:
        """Make the folder and write down what is asked for.

        Raises
        ------
        OutputError
            When a run lies there already, or nothing can be written.
        """
        if self.has_run:
            raise OutputError(
                f"{self.path} holds a run already: resume it, or choose another folder."
            )
        with explained_write_failures(self.path):
            (self.path / "checkpoints").mkdir(parents=True, exist_ok=True)
            atomic_write_json(self.path / "data.json", data)
            atomic_write_json(self.path / "environment.json", machine)
            atomic_write_text(self.path / "config.toml", recipes.dumps(options))

    def options(self) -> TrainOptions:
        """The options that the run was begun with."""
        if not self.has_run:
            raise OutputError(f"{self.path} holds no run that could be resumed.")
        return recipes.load_recipe(self.path / "config.toml")

    def data(self) -> dict[str, Any]:
        """The collections, as `begin` wrote them."""
        return self._read_json("data.json")

    def machine(self) -> dict[str, Any]:
        """Versions and hardware that the run began with, as `begin` wrote them."""
        return self._read_json("environment.json")

    def event(self, kind: str, **facts: Any) -> None:
        """Append an event to the log; on a full disk, as soon as there is room."""
        event = {"event": kind, "time": round(time.time(), 3), **facts}
        self._unwritten.append(json.dumps(event))
        try:
            if not self._log_is_whole:
                cut_torn_line(self.path / "events.jsonl")
                self._log_is_whole = True
            with (self.path / "events.jsonl").open("a", encoding="utf-8") as file:
                file.write("".join(f"{line}\n" for line in self._unwritten))
            self._unwritten.clear()
        except OSError:
            self._unwritten = self._unwritten[-10_000:]
        if self._listener is not None:
            self._listener(event)

    def status(self, state: str, **facts: Any) -> None:
        """Replace the status of the run: one small file for whoever watches it."""
        facts = {"state": state, "pid": os.getpid(), "time": round(time.time(), 3), **facts}
        try:
            atomic_write_json(self.path / "status.json", facts)
        except OSError as error:
            self.event("trouble", text=explain_write_failure(error, self.path))

    @property
    def stop_wanted(self) -> bool:
        """True where somebody put a file `stop` there."""
        return (self.path / "stop").exists()

    def clear_stop(self) -> None:
        """Remove the request to stop, once it is met."""
        (self.path / "stop").unlink(missing_ok=True)

    def save_checkpoint(self, step: int, content: dict[str, Any]) -> None:
        """Save everything that is needed to go on after `step`.

        A full disk is said and borne a few times: training goes on in memory, and the next
        checkpoint tries again.

        Raises
        ------
        OutputError
            When it failed too often in a row.
        """
        try:
            self.save_tensors(f"checkpoints/step-{step:07d}.pt", content)
        except OutputError as error:
            self._failures += 1
            self.event("trouble", text=f"The checkpoint of step {step} is not saved. {error}")
            if self._failures >= _FAILURES_BORNE:
                raise
            return
        self._failures = 0
        self.event("checkpoint", step=step)
        for old in self.checkpoints()[:-_KEPT_CHECKPOINTS]:
            old.unlink(missing_ok=True)

    def checkpoints(self) -> list[Path]:
        """The checkpoints, oldest first."""
        return sorted((self.path / "checkpoints").glob("step-*.pt"))

    def save_tensors(self, name: str, content: dict[str, Any]) -> None:
        """Write a file of tensors and plain values; it appears complete or not at all."""
        try:
            with atomic_path(self.path / name) as part, part.open("wb") as file:
                torch.save(content, file)
        except (OSError, RuntimeError) as error:
            # PyTorch's writer hides the cause of a failed write in a RuntimeError.
            cause = error if isinstance(error, OSError) else error.__context__
            if not isinstance(cause, OSError):
                cause = OSError(str(error))
            raise OutputError(explain_write_failure(cause, self.path)) from error

    def read_tensors(self, name: str) -> dict[str, Any]:
        """Read such a file; nothing in it is executed."""
        content: dict[str, Any] = torch.load(
            self.path / name, map_location="cpu", weights_only=True
        )
        return content

    def newest_checkpoint(self) -> dict[str, Any] | None:
        """The last checkpoint that can be read, or None."""
        for path in reversed(self.checkpoints()):
            try:
                return self.read_tensors(f"checkpoints/{path.name}")
            except (OSError, RuntimeError, EOFError, UnpicklingError) as error:
                why = str(error).partition("\n")[0]
                self.event("trouble", text=f"{path.name} cannot be read: {why}")
        return None

    def _read_json(self, name: str) -> dict[str, Any]:
        try:
            content: dict[str, Any] = json.loads((self.path / name).read_text("utf-8"))
        except (OSError, ValueError) as error:
            raise OutputError(f"{self.path / name} cannot be read: {error}") from error
        return content


def read_events(path: Path) -> Iterator[Event]:
    """The events of a run, each step once: what a resumed run repeated counts as it was last.

    Parameters
    ----------
    path : Path
        The run's folder.
    """
    try:
        lines = (path / "events.jsonl").read_text("utf-8").splitlines()
    except FileNotFoundError:
        return
    kept: dict[Any, Event] = {}
    for number, line in enumerate(lines):
        try:
            event = json.loads(line)
        except ValueError:
            continue  # the line that was being written when the power went
        key = (event["event"], event["step"]) if "step" in event else number
        kept.pop(key, None)
        kept[key] = event
    yield from kept.values()
