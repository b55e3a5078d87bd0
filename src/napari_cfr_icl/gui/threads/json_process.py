"""A command of this program in a child process that reports its progress as lines of JSON.

Torch may run in one thread of napari's process only, and a long computation there would halve the
speed of a click. A process of its own disturbs neither, and can be killed at any moment.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from contextlib import suppress

from qtpy.QtCore import QObject, QProcess, QProcessEnvironment, Signal

from napari_cfr_icl.gui.threads.child_command import child_command, child_environment, last_line

NICENESS = 5
"""Priority of a long command below napari's, where the system knows such numbers."""

_PATIENCE = 5000


class JsonProcess(QObject):
    """Runs one command at a time.

    `line_read` is emitted with a dict for every line, `ended` when the command is over: with an
    empty string where all went well, else with the reason. A stopped process emits nothing more.

    Parameters
    ----------
    parent : QObject, optional
        Owner, as in Qt.
    niceness : int
        Priority of the commands below napari's.
    """

    line_read = Signal(object)
    ended = Signal(str)

    def __init__(self, parent: QObject | None = None, niceness: int = 0) -> None:
        super().__init__(parent)
        self._niceness = niceness
        self._process: QProcess | None = None
        self._errors = b""

    @property
    def is_running(self) -> bool:
        """True while a command runs."""
        return self._process is not None

    @property
    def pid(self) -> int | None:
        """Number of the process, while there is one."""
        return None if self._process is None else int(self._process.processId())

    def start(self, arguments: Sequence[str]) -> None:
        """Run `napari-cfr-icl ARGUMENTS`.

        Raises
        ------
        RuntimeError
            While another command runs.
        """
        if self._process is not None:
            raise RuntimeError("a command is running already")
        self._errors = b""
        # It has no parent: a process that is deleted while it runs says so on the console.
        process = QProcess()
        program, *words = child_command(arguments)
        process.setProgram(program)
        process.setArguments(words)
        environment = QProcessEnvironment()
        for name, value in child_environment().items():
            environment.insert(name, value)
        process.setProcessEnvironment(environment)
        process.started.connect(self._on_started)
        process.readyReadStandardOutput.connect(self._on_output)
        process.readyReadStandardError.connect(self._on_errors)
        process.finished.connect(self._on_finished)
        process.errorOccurred.connect(self._on_error)
        self._process = process
        process.start()

    def stop(self) -> None:
        """Kill the command; what it has written stays."""
        process, self._process = self._process, None
        if process is None:
            return
        process.blockSignals(True)
        process.kill()
        process.waitForFinished(_PATIENCE)
        process.deleteLater()

    def _on_started(self) -> None:
        if self._niceness and self.pid and hasattr(os, "setpriority"):
            # The process may have ended already.
            with suppress(OSError):
                os.setpriority(os.PRIO_PROCESS, self.pid, self._niceness)

    def _on_output(self) -> None:
        while self._process is not None and self._process.canReadLine():
            line = bytes(self._process.readLine().data())
            with suppress(ValueError):
                self.line_read.emit(json.loads(line))

    def _on_errors(self) -> None:
        if self._process is not None:
            self._errors += bytes(self._process.readAllStandardError().data())

    def _on_finished(self, code: int) -> None:
        self._on_output()
        self._on_errors()
        self._end("" if code == 0 else self._reason(code))

    def _on_error(self, error: QProcess.ProcessError) -> None:
        if error == QProcess.ProcessError.FailedToStart:
            self._end(f"{child_command(())[0]} could not be started.")

    def _end(self, reason: str) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.deleteLater()
            self.ended.emit(reason)

    def _reason(self, code: int) -> str:
        memory = f"The process ended with code {code}; the machine's memory may have run out."
        return last_line(self._errors) or memory
