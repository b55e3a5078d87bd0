"""The commands under `models`: what there is, fetch, take in, give out."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from napari_cfr_icl._errors import InputError, OutputError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.progress import TaskID

    from napari_cfr_icl.zoo.listing import ModelStatus
    from napari_cfr_icl.zoo.transfer import Progress

app = typer.Typer(no_args_is_help=True, help="List, download, import and export models.")


@app.command("list")
def list_models() -> None:
    """Show every model and its licence."""
    from napari_cfr_icl.zoo import Store, available

    store = Store()
    head = ("NAME", "WHERE", "SIZE", "TRAINED ON", "LICENCE OF THE WEIGHTS")
    for line in aligned([head, *map(_row, available(store))]):
        typer.echo(line)
    typer.echo(f"\nModels of your own lie in {store.folder}")


@app.command()
def folder(
    place: Annotated[
        Path | None, typer.Argument(metavar="[FOLDER]", help="Keep models there from now on.")
    ] = None,
    default: Annotated[
        bool, typer.Option("--default", help="Keep them in the user's cache again.")
    ] = False,
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
            typer.echo(f"{_paths.MODELS_VARIABLE} is set and comes first:", err=True)
    typer.echo(_paths.models_folder())


@app.command()
def download(
    name: Annotated[str, typer.Argument(metavar="NAME", help="As `models list` shows it.")],
) -> None:
    """Fetch a model.

    A download that broke off goes on where it was; a model that is here already is left alone.
    """
    from napari_cfr_icl import zoo

    with _byte_bars("Fetching", "Unpacking") as (fetching, unpacking):
        path = zoo.download(name, progress=fetching, unpack_progress=unpacking)
    typer.echo(f"{name} is on this machine: {path}")


@app.command("import")
def import_model(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A .pth or .safetensors file.")],
    name: Annotated[
        str | None, typer.Option(help="What to call it. [default: as it is known, or the file's]")
    ] = None,
) -> None:
    """Keep a model file, to be used by name."""
    from napari_cfr_icl import zoo

    typer.echo(f"{file} can now be used as {zoo.import_checkpoint(file, name)}")


@app.command()
def export(
    model: Annotated[str, typer.Argument(metavar="NAME|FILE")],
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="[default: NAME.safetensors in this folder]"),
    ] = None,
    dtype: Annotated[
        Literal["float32", "float16"] | None,
        typer.Option(help="[default: as it lies on the disk]"),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace FILE.")] = False,
) -> None:
    """Write a model to a safetensors file."""
    from napari_cfr_icl import zoo

    target = out or Path(f"{Path(model).stem if Path(model).suffix else model}.safetensors")
    typer.echo(str(zoo.export(model, target, dtype=dtype, overwrite=overwrite)))


def aligned(rows: list[tuple[str, ...]]) -> list[str]:
    """Rows of cells as lines in which columns begin at the same place."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def _row(status: ModelStatus) -> tuple[str, ...]:
    size = "?" if status.size is None else f"{status.size / 1e6:.0f} MB"
    licence, trained_on = status.licence or "unknown", status.trained_on or "unknown"
    return status.name, status.state.value, size, trained_on, licence


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
