"""Listeners of a run: a progress bar with the time left, and TensorBoard files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

if TYPE_CHECKING:
    from pathlib import Path

    from rich.progress import TaskID

    from napari_cfr_icl.training.runs.run_folder import Event


class Bar:
    """A progress bar with the time left; it appears when the run begins."""

    def __init__(self) -> None:
        time_left = TimeRemainingColumn(compact=True, elapsed_when_finished=True)
        self._bars = Progress(
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), time_left
        )
        self._task: TaskID | None = None

    def hear(self, event: Event) -> None:
        """Show an event of the run."""
        kind = event["event"]
        if kind == "begin":
            self._bars.start()
            self._task = self._bars.add_task(
                "Training", total=event["steps"], completed=event["step"]
            )
        elif kind == "step" and self._task is not None:
            title = f"Training, loss {event['losses'][-1]:.3f}"
            self._bars.update(self._task, completed=event["step"], description=title)
        elif kind == "clicked" and self._task is not None:
            self._bars.update(self._task, description=event["text"])
        elif kind == "held_out":
            self._bars.console.print(_clicks(event), highlight=False)
        elif kind in ("trouble", "note"):
            self._bars.console.print(event["text"], highlight=False, markup=False)
        elif kind in ("finished", "stopped", "failed"):
            self._bars.stop()


def _clicks(event: Event) -> str:
    return (
        f"After {event['step']} steps: {event['noc80']:.2f}, {event['noc85']:.2f}, "
        f"{event['noc90']:.2f} clicks to IoU 80, 85, 90 %; IoU {event['iou1']:.3f} after one "
        f"click ({event['objects']} held-out objects)"
    )


class Board:
    """TensorBoard files, where the package tensorboard is installed.

    Parameters
    ----------
    folder : Path
        Where to.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._writer: Any = None

    def hear(self, event: Event) -> None:
        """Write the numbers of an event of the run."""
        kind = event["event"]
        if kind == "begin":
            self._open()
        if self._writer is None:
            return
        if kind == "step":
            for index, loss in enumerate(event["losses"]):
                self._writer.add_scalar(f"loss/pass {index + 1}", loss, event["step"])
            self._writer.add_scalar("rate", event["rate"], event["step"])
        elif kind == "held_out":
            for name in ("noc80", "noc85", "noc90", "iou1"):
                self._writer.add_scalar(f"held out/{name}", event[name], event["step"])
        elif kind in ("finished", "stopped"):
            self._writer.close()

    def _open(self) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            return
        self._writer = SummaryWriter(str(self._folder))
