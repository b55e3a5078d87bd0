"""The commands under `models`."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import App, Parameter

from napari_cfr_icl._errors import InputError, OutputError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.progress import TaskID

    from napari_cfr_icl.zoo.listing import ModelStatus
    from napari_cfr_icl.zoo.transfer import Progress

models = App(name="models", help="List, download, import and export models.")


@models.command(name="list")
def list_models() -> None:
    """Show every model and its licence."""
    from napari_cfr_icl.zoo import ModelStore, available
    from napari_cfr_icl.zoo.listing import ModelState

    store = ModelStore()
    head = ("NAME", "WHERE", "SIZE", "TRAINED ON", "LICENCE OF THE WEIGHTS")
    models = sorted(available(store), key=lambda status: status.state is ModelState.BY_HAND)
    for line in aligned([head, *map(_row, models)]):
        print(line)
    print(f"\nModels of your own lie in {store.folder}")


@models.command
def folder(
    place: Annotated[
        Path | None, Parameter(name="FOLDER", help="Keep models there from now on.")
    ] = None,
    /,
    *,
    default: Annotated[bool, Parameter(help="Keep them in the user's cache again.")] = False,
) -> None:
    """Say where models are kept, or choose another folder.

    Models that are there already stay there. NAPARI_CFR_ICL_MODELS, where it is set, comes first.
    """
    from napari_cfr_icl import _paths

    if place is not None and default:
        raise InputError("Give a folder or --default, not both.")
    if place is not None or default:
        try:
            _paths.choose_models_folder(place)
        except OSError as error:
            raise OutputError(f"The choice cannot be kept: {error}.") from error
        if _paths.variable_names_models_folder():
            print(f"{_paths.MODELS_VARIABLE} is set and comes first:", file=sys.stderr)
    print(_paths.models_folder())


@models.command
def download(
    name: Annotated[str, Parameter(name="NAME", help="As `models list` shows it.")], /
) -> None:
    """Fetch a model.

    A download that broke off goes on where it was; a model that is here already is left alone.
    """
    from napari_cfr_icl import zoo

    with _byte_bars("Fetching", "Unpacking") as (fetching, unpacking):
        path = zoo.download(name, progress=fetching, unpack_progress=unpacking)
    print(f"{name} is on this machine: {path}")


@models.command(name="import")
def import_model(
    file: Annotated[Path, Parameter(name="FILE", help="A .pth or .safetensors file.")],
    /,
    *,
    name: Annotated[
        str | None, Parameter(help="What to call it; as it is known, or as the file, by default.")
    ] = None,
) -> None:
    """Keep a model file, to be used by name."""
    from napari_cfr_icl import zoo

    print(f"{file} can now be used as {zoo.import_checkpoint(file, name)}")


@models.command
def export(
    model: Annotated[str, Parameter(name="NAME|FILE", help="See `models list`.")],
    /,
    *,
    out: Annotated[
        Path | None,
        Parameter(
            help="NAME.safetensors in this folder by default. FILE.pth, for a network of SAM's "
            "family, is written as SAM's own program and micro-sam load it."
        ),
    ] = None,
    like: Annotated[
        Path | None,
        Parameter(
            metavar="CHECKPOINT",
            help="Build a .pth like this file of the same network, with all that it holds besides: "
            "micro-sam's decoder, SAM 2's weights for videos.",
        ),
    ] = None,
    dtype: Annotated[
        Literal["float32", "float16"] | None,
        Parameter(help="As it lies on the disk by default; float32 in a .pth."),
    ] = None,
    overwrite: Annotated[bool, Parameter(help="Replace the file.")] = False,
) -> None:
    """Write a model to a file of ours, or of SAM and micro-sam."""
    from napari_cfr_icl import zoo

    target = out or Path(f"{Path(model).stem if Path(model).suffix else model}.safetensors")
    print(str(zoo.export(model, target, dtype=dtype, overwrite=overwrite, like=like)))


def aligned(rows: list[tuple[str, ...]]) -> list[str]:
    """Rows of cells as lines in which columns begin at the same place."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def _row(status: ModelStatus) -> tuple[str, ...]:
    from napari_cfr_icl.zoo.catalog import DEFAULT_MODEL

    size = "?" if status.size is None else f"{status.size / 1e6:.0f} MB"
    licence, trained_on = status.licence or "unknown", status.trained_on or "unknown"
    where = f"{status.state.value}, default" if status.name == DEFAULT_MODEL else status.state.value
    return status.name, where, size, trained_on, licence


@contextmanager
def _byte_bars(*titles: str) -> Iterator[list[Progress]]:
    """A bar for each title, which appears with its first bytes; none where nobody is looking."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, TimeRemainingColumn, TransferSpeedColumn
    from rich.progress import Progress as Bars

    console = Console(stderr=True)
    columns = BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn()
    with Bars(
        "{task.description}", *columns, console=console, disable=not console.is_terminal
    ) as bars:

        def shown_by(task: TaskID) -> Progress:
            return lambda done, total: bars.update(task, completed=done, total=total, visible=True)

        yield [shown_by(bars.add_task(title, total=None, visible=False)) for title in titles]
