"""The command `replay`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from napari_cfr_icl._errors import OutputError
from napari_cfr_icl.autosave.session_file import open_session


def replay(
    session: Annotated[Path, Parameter(name="SESSION", help="A session file saved in the dock.")],
    /,
    *,
    image: Annotated[Path | None, Parameter(help="The image, if it has moved since.")] = None,
    out: Annotated[
        Path | None, Parameter(help="TIFF file for the labels; written nowhere by default.")
    ] = None,
    device: Annotated[
        str | None, Parameter(help="auto, cpu, cuda or mps; as in the session by default.")
    ] = None,
) -> None:
    """Do all clicks of a session again, and compare the labels with those of the session.

    On the same device they are the same to the last pixel.
    """
    if out is not None:
        _check(out, session, image)
    work = open_session(session)
    # Here and not above: it loads torch, which --help and most mistakes need not wait for.
    from napari_cfr_icl.cli.session_replay import find_image, replayed, report, write

    pixels = find_image(work, session, image)
    result = replayed(work, pixels, device)
    if out is not None:
        write(out, work, result)
    print(report(work, result, out))


def _check(out: Path, session: Path, image: Path | None) -> None:
    if out.suffix.lower() not in (".tif", ".tiff"):
        raise OutputError(f"The labels are written as TIFF: let {out} end in .tif.")
    if not out.parent.is_dir():
        raise OutputError(f"There is no folder {out.parent}: make it, or choose another.")
    taken = [path.resolve() for path in (session, image) if path is not None]
    if out.resolve() in taken:
        raise OutputError(f"{out} is what the labels are made from: choose another name.")
