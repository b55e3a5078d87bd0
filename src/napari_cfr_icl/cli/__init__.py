"""The command line: the engine without a screen.

Every command loads what it needs when it runs, so that `--help` answers at once; none but `demo`
needs napari or Qt.
"""

from __future__ import annotations

import logging
import sys
import warnings
from typing import Annotated

import typer

from napari_cfr_icl import __version__
from napari_cfr_icl.cli.demo import demo
from napari_cfr_icl.cli.doctor import doctor
from napari_cfr_icl.cli.evaluation import app as evaluation_app
from napari_cfr_icl.cli.models import app as models_app
from napari_cfr_icl.cli.replay import replay
from napari_cfr_icl.cli.segment import segment
from napari_cfr_icl.cli.sentences import SentenceGroup
from napari_cfr_icl.cli.training import app as training_app

__all__ = ["app", "main"]

NAME = "napari-cfr-icl"

app = typer.Typer(
    name=NAME,
    cls=SentenceGroup,
    invoke_without_command=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    # Plain help: square brackets would be taken for markup.
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def root(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Show the version.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", help="Tell what goes on inside.")] = False,
) -> None:
    """Segment images by clicking, with Cascade-Forward Refinement."""
    if version:
        typer.echo(f"{NAME} {__version__}")
        raise typer.Exit
    if verbose:
        logging.basicConfig(format="%(name)s: %(message)s")
        logging.getLogger("napari_cfr_icl").setLevel("DEBUG")
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


app.command()(segment)
app.command()(replay)
app.add_typer(models_app, name="models")
app.add_typer(evaluation_app)
app.add_typer(training_app, name="train")
app.command()(demo)
app.command()(doctor)


def main() -> None:
    """Run the program."""
    _hush_libraries()
    app(prog_name=NAME)


def _hush_libraries() -> None:
    """Let nobody but us say what is wrong with a file; PYTHONWARNINGS brings warnings back."""
    if not sys.warnoptions:
        warnings.simplefilter("ignore")
    logging.getLogger("tifffile").addHandler(logging.NullHandler())
    logging.getLogger("PIL").addHandler(logging.NullHandler())
