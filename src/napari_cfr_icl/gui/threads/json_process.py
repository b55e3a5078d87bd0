"""A command of this program in a process of its own, which tells what it does in lines of JSON.

Torch may run in one thread of napari's process only, and a long computation there would halve the
speed of a click. A process of its own disturbs neither, and can be ended at any moment.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from contextlib import suppress

from qtpy.QtCore import QObject, QProcess, QProcessEnvironment, Signal

from napari_cfr_icl.gui.threads.child_environment import child_environment

NICENESS = 5
"""How far a long command stands back behind napari, where the system knows such numbers."""

_PATIENCE = 5000


class JsonProcess(QObject):
    """Runs one command at a time.

    `said` is emitted with a dict for every line, `ended` with a sentence when the command came to
    its end: empty where all went well. A process that is stopped emits nothing more.

    Parameters
    ----------
    parent : QObject, optional
        What it ends with.
    niceness : int
        How far the commands stand back behind napari.
    """

    said = Signal(object)
    ended = Signal(str)

    def __init__(self, parent: QObject | None = None, niceness: int = 0) -> None:
        super().__init__(parent)
        self._niceness = niceness
        self._process: QProcess | None = None
        self._complaint = b""

    @property
    def is_running(self) -> bool:
        """Whether a command is under way."""
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
            While another command is under way.
        """
        if self._process is not None:
            raise RuntimeError("a command is under way")
        self._complaint = b""
        # It has no parent: a process that is deleted while it runs says so on the console.
        process = QProcess()
        process.setProgram(sys.executable)
        # -P: what happens to lie in the working folder is not imported.
        process.setArguments(["-P", "-m", "napari_cfr_icl", *arguments])
        environment = QProcessEnvironment()
        for name, value in child_environment().items():
            environment.insert(name, value)
        process.setProcessEnvironment(environment)
        process.started.connect(self._on_started)
        process.readyReadStandardOutput.connect(self._on_output)
        process.readyReadStandardError.connect(self._on_complaint)
        process.finished.connect(self._on_finished)
        process.errorOccurred.connect(self._on_error)
        self._process = process
        process.start()

    def stop(self) -> None:
        """End the command at once; what it has written stays."""
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
                self.said.emit(json.loads(line))

    def _on_complaint(self) -> None:
        if self._process is not None:
            self._complaint += bytes(self._process.readAllStandardError().data())

    def _on_finished(self, code: int) -> None:
        self._on_output()
        self._on_complaint()
        self._end("" if code == 0 else self._sentence(code))

    def _on_error(self, error: QProcess.ProcessError) -> None:
        if error == QProcess.ProcessError.FailedToStart:
            self._end(f"{sys.executable} could not be started.")

    def _end(self, sentence: str) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.deleteLater()
            self.ended.emit(sentence)

    def _sentence(self, code: int) -> str:
        lines = self._complaint.decode("utf-8", "replace").split("\n")
        said = [line.strip() for line in lines if line.strip()]
        if said:
            return said[-1]
        return f"The process ended with code {code}; the machine's memory may have run out."
