"""What users can do wrong ends in one sentence on stderr and exit code 2."""

from __future__ import annotations

import sys
from typing import Any, NoReturn

import typer
from typer.core import TyperGroup

from napari_cfr_icl._errors import CfrIclError

USERS_MISTAKE = 2


class SentenceGroup(TyperGroup):
    """A program whose errors are single sentences, without usage text, frames or tracebacks."""

    def main(self, *args: Any, **extra: Any) -> NoReturn:
        """Run the command that the arguments name, and exit."""
        extra["standalone_mode"] = False
        try:
            # An exit code: 130 after Ctrl+C.
            status = super().main(*args, **extra)
        except CfrIclError as error:
            _leave(str(error))
        except typer.TyperException as error:
            _explain_usage(error)
        except typer.Abort:
            sys.exit(1)
        except OSError as error:
            # A full disk, a name too long, a folder that is locked: nobody foresees them all.
            where = f" ({error.filename})" if error.filename else ""
            _leave(f"The system refuses: {error.strerror or error}{where}.")
        except MemoryError:
            _leave("This machine's memory is not enough for that.")
        sys.exit(status)


def _leave(sentence: str) -> NoReturn:
    # What a library said of a file may have several lines.
    typer.echo(" ".join(sentence.split()), err=True)
    sys.exit(USERS_MISTAKE)


def _explain_usage(error: typer.TyperException) -> NoReturn:
    """Say what is wrong with the arguments, and where to read how they are to be."""
    message = error.format_message()
    context: typer.Context | None = getattr(error, "ctx", None)
    if context is None:
        _leave(message)
    help_text = context.get_help()
    if message == help_text:
        # A group of commands was named, and none of them.
        typer.echo(help_text, err=True)
        sys.exit(USERS_MISTAKE)
    _leave(f"{message.rstrip('.')}; see {context.command_path} --help.")
