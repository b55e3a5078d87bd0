"""Training processes, which outlive napari and are found again by a file in their run folder."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from napari_cfr_icl._errors import OutputError
from napari_cfr_icl._files import atomic_write_json
from napari_cfr_icl.gui.threads.child_command import child_command, child_environment, last_line

MARK, OUTPUT, ERRORS = "process.json", "output.txt", "complaints.txt"
_TOLERANCE = 2.0
"""Seconds by which the clocks of processes and of files may differ."""

_NO_CONSOLE = getattr(subprocess, "CREATE_NO_WINDOW", 0)
"""Without it Windows opens a console window, if only for a moment."""

# A helper starts the run and exits at once, so that the run is no child of napari.
_HELPER = """
import os, subprocess, sys
run, *command = sys.argv[1:]
apart = {"start_new_session": True}
if os.name == "nt":
    apart = {"creationflags": 0x00000008 | 0x00000200}  # detached, in a group of its own
else:
    os.nice(10)
with open(os.path.join(run, "output.txt"), "ab") as out:
    with open(os.path.join(run, "complaints.txt"), "wb") as err:
        child = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=out, stderr=err, **apart
        )
try:
    # Linux divides its time between sessions first; niceness counts within each.
    with open("/proc/%d/autogroup" % child.pid, "w") as group:
        group.write("10")
except OSError:
    pass
print(child.pid, flush=True)
os._exit(0)
"""


@dataclass(frozen=True, slots=True)
class ProcessMark:
    """Identity of a process, which distinguishes it from a later one with the same number.

    Parameters
    ----------
    pid : int
        Its number.
    created : float
        Time of its start, in seconds since 1970.
    """

    pid: int
    created: float

    @property
    def is_alive(self) -> bool:
        """True while the process runs."""
        try:
            process = psutil.Process(self.pid)
            same = abs(process.create_time() - self.created) < _TOLERANCE
            return same and process.status() != psutil.STATUS_ZOMBIE
        except psutil.Error:
            return False

    def kill(self) -> None:
        """Kill it, if it still runs."""
        if self.is_alive:
            psutil.Process(self.pid).kill()


def start_run(run: Path, arguments: Sequence[str]) -> None:
    """Start `napari-cfr-icl ARGUMENTS` for a run's folder, and write its mark there.

    Raises
    ------
    OutputError
        When the process cannot be started, or its folder cannot be written.
    """
    try:
        run.mkdir(parents=True, exist_ok=True)
        helper = subprocess.run(
            [sys.executable, "-P", "-c", _HELPER, str(run), *child_command(arguments)],
            capture_output=True,
            text=True,
            check=True,
            env=child_environment(),
            creationflags=_NO_CONSOLE,
        )
        pid = int(helper.stdout)
        # A process that has ended already leaves no mark; the reason is in its error file.
        with suppress(psutil.NoSuchProcess):
            mark = ProcessMark(pid, psutil.Process(pid).create_time())
            atomic_write_json(run / MARK, asdict(mark))
    except (OSError, ValueError, subprocess.CalledProcessError) as error:
        raise OutputError(f"Training in {run} cannot be started: {error}") from error


def find_run(run: Path, status: dict[str, object]) -> ProcessMark | None:
    """The process that works in a run's folder, whoever started it, or None.

    Parameters
    ----------
    run : Path
        The folder.
    status : dict
        The last status that the run wrote, with its process and the time.
    """
    started = mark_of(run)
    candidates = [] if started is None else [started]
    pid, written = status.get("pid"), status.get("time")
    if isinstance(pid, int) and isinstance(written, float):
        candidates.append(ProcessMark(pid, _created_before(pid, written)))
    return next((mark for mark in candidates if mark.is_alive), None)


def mark_of(run: Path) -> ProcessMark | None:
    """The process that a dock last started there; None for a run from the command line."""
    try:
        return ProcessMark(**json.loads((run / MARK).read_text("utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def error_of(run: Path) -> str:
    """The last line that a run's process wrote to its error file."""
    try:
        return last_line((run / ERRORS).read_bytes())
    except OSError:
        return ""


def _created_before(pid: int, moment: float) -> float:
    """Start of a process, if it was running at `moment`; else a time that no process has."""
    try:
        created = psutil.Process(pid).create_time()
    except psutil.Error:
        return 0.0
    return created if created <= moment + _TOLERANCE else 0.0
