"""The command line: the engine without a screen.

Every command loads what it needs when it runs, so that `--help` answers at once; none but `demo`
needs napari or Qt.
"""

from __future__ import annotations

import logging
import sys
import warnings
from collections.abc import Sequence
from io import TextIOWrapper
from typing import Annotated, Any, NoReturn

from cyclopts import App, CycloptsError, Parameter

from napari_cfr_icl import __version__
from napari_cfr_icl._errors import CfrIclError
from napari_cfr_icl.cli.demo import demo
from napari_cfr_icl.cli.doctor import doctor
from napari_cfr_icl.cli.evaluate import evaluate
from napari_cfr_icl.cli.find import find
from napari_cfr_icl.cli.models import models
from napari_cfr_icl.cli.replay import replay
from napari_cfr_icl.cli.segment import segment
from napari_cfr_icl.cli.train import train
from napari_cfr_icl.cli.tune import tune

__all__ = ["app", "main"]

NAME = "napari-cfr-icl"


def _shown(default: Any) -> str | None:
    """A default value as the help shows it; None hides it."""
    if isinstance(default, tuple):
        return ", ".join("all" if each is None else str(each) for each in default) or None
    return None if default in (None, False) else str(default)


app = App(
    name=NAME,
    help="Segment images by clicking, with Cascade-Forward Refinement.",
    version=f"{NAME} {__version__}",
    version_flags="--version",
    help_flags=("--help", "-h"),
    help_format="markdown",
    default_parameter=Parameter(negative=(), show_default=_shown, allow_repeating=True),
    exit_on_error=False,
    print_error=False,
    result_action="return_value",
)
for command in (segment, find, replay, models, evaluate, tune, train, demo, doctor):
    app.command(command)


@app.meta.default
def _launch(
    *words: Annotated[str, Parameter(show=False, allow_leading_hyphen=True)],
    verbose: Annotated[bool, Parameter(help="Tell what goes on inside.")] = False,
) -> None:
    if verbose:
        logging.basicConfig(format="%(name)s: %(message)s")
        logging.getLogger("napari_cfr_icl").setLevel("DEBUG")
    if words in (("models",), ("train",)):
        app.help_print(words, console=app.error_console)
        sys.exit(2)
    app(words)


def main(words: Sequence[str] | None = None) -> None:
    """Run the program; what users can do wrong ends in one line on stderr and exit code 2."""
    _silence_libraries()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            # Names of files need not be text, nor in the letters of a pipe on Windows.
            stream.reconfigure(errors="backslashreplace")
    try:
        app.meta(words)
    except CfrIclError as error:
        _leave(str(error))
    except CycloptsError as error:
        command = " ".join((NAME, *(error.command_chain or ())))
        _leave(f"{error} See {command} --help.")
    except OSError as error:
        # A full disk, a name too long, a folder that is locked: nobody foresees them all.
        where = f" ({error.filename})" if error.filename else ""
        _leave(f"The system refuses: {error.strerror or error}{where}.")
    except MemoryError:
        _leave("This machine's memory is not enough for that.")


def _leave(sentence: str) -> NoReturn:
    # What a library says of a file may have several lines.
    print(" ".join(sentence.split()), file=sys.stderr)
    sys.exit(2)


def _silence_libraries() -> None:
    """Let nobody but us say what is wrong with a file; PYTHONWARNINGS brings warnings back."""
    if not sys.warnoptions:
        warnings.simplefilter("ignore")
    logging.getLogger("tifffile").addHandler(logging.NullHandler())
    logging.getLogger("PIL").addHandler(logging.NullHandler())
