"""Download of a model of the catalogue. No torch."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from napari_cfr_icl._errors import DownloadError
from napari_cfr_icl._files import explain_write_failure
from napari_cfr_icl.zoo.catalog import ModelEntry, require
from napari_cfr_icl.zoo.file_kinds import FileKind, file_sha256, find_damage, kind_of
from napari_cfr_icl.zoo.store import ModelStore, explain_absence
from napari_cfr_icl.zoo.transfer import fetch, remote_size
from napari_cfr_icl.zoo.unpack import unpack

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from napari_cfr_icl.zoo.transfer import Progress, Verify

__all__ = ["download"]

_SIZE_TOLERANCE = 0.1
"""Published sizes are rounded, and nobody says whether a megabyte is 1000 or 1024 kilobytes."""


def download(
    name: str,
    store: ModelStore | None = None,
    progress: Progress | None = None,
    unpack_progress: Progress | None = None,
) -> Path:
    """Download a model of the catalogue, without any network access if it is here already.

    Parameters
    ----------
    name : str
        A name in the catalogue.
    store : ModelStore, optional
        Destination; the user's own folder by default.
    progress : callable, optional
        Called with bytes received and total bytes (None: unknown). It may raise, to cancel; the
        bytes received are kept.
    unpack_progress : callable, optional
        The same for unpacking, where the model is an archive.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    UnknownModelError
        When the catalogue has no such name.
    DownloadError
        With cause and cure.
    """
    store = store or ModelStore()
    entry = require(name)
    if (present := store.path_of(name)) is not None:
        return present
    if not entry.urls or entry.file_name is None:
        raise DownloadError(explain_absence(name))
    target = store.folder / entry.file_name
    with _exclusive(store.folder, name):
        verify = _acceptance(entry, store, target)
        if entry.is_archive:
            volumes = _fetch_volumes(entry, store.folder, progress)
            unpack(volumes, target, verify, unpack_progress)
        else:
            fetch(entry.urls[0], target, verify, progress)
    return target


def _fetch_volumes(entry: ModelEntry, folder: Path, progress: Progress | None) -> list[Path]:
    volumes = [folder / url.rpartition("/")[2] for url in entry.urls]
    sizes = [
        volume.stat().st_size if volume.exists() else remote_size(url)
        for url, volume in zip(entry.urls, volumes, strict=True)
    ]
    total = None if None in sizes else sum(size or 0 for size in sizes)
    done = 0
    for url, volume in zip(entry.urls, volumes, strict=True):
        fetch(url, volume, _find_volume_problem, _after(done, total, progress))
        done += volume.stat().st_size
    return volumes


def _after(done: int, total: int | None, progress: Progress | None) -> Progress | None:
    """Progress of one volume as part of the total."""
    if progress is None:
        return None
    return lambda of_this, _: progress(done + of_this, total)


@contextmanager
def _exclusive(folder: Path, name: str) -> Iterator[None]:
    """Lock against concurrent downloads of the same model."""
    lock = FileLock(folder / f".{name}.lock", timeout=0)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        held = lock.acquire()
    except Timeout as error:
        raise DownloadError(
            f"The model {name!r} is being fetched by another window or program: wait for that."
        ) from error
    except OSError as error:
        raise DownloadError(
            f"{explain_write_failure(error, folder)} `napari-cfr-icl models folder` chooses it."
        ) from error
    with held:
        yield


def _acceptance(entry: ModelEntry, store: ModelStore, target: Path) -> Verify:
    """Check of a complete file, whose checksum is recorded before it gets its name."""

    def verify(part: Path) -> str | None:
        if (damage := find_damage(part)) is not None:
            return damage
        sha256 = file_sha256(part)
        if entry.sha256 not in (None, sha256):
            return "its checksum is not the published one"
        size = part.stat().st_size
        if entry.size is not None and abs(size - entry.size) > _SIZE_TOLERANCE * entry.size:
            return f"it has {size / 1e6:.1f} MB, where {entry.size / 1e6:.1f} MB are published"
        store.record(target, sha256)
        return None

    return verify


def _find_volume_problem(part: Path) -> str | None:
    kind = kind_of(part)
    starts_wrongly = ".7z.001." in part.name and kind is not FileKind.ARCHIVE_7Z
    if starts_wrongly or kind in (FileKind.WEB_PAGE, FileKind.EMPTY):
        return f"it is {kind.value}"
    return None
