"""Resumable download of one file over HTTP.

Bytes go to `<name>.<version>.part`, where the version is a hash of the server's ETag or
Last-Modified. A later call asks for the missing rest only, and never joins two versions.
"""

from __future__ import annotations

import hashlib
import shutil
from typing import TYPE_CHECKING, Final, TypeAlias

import requests

from napari_cfr_icl import __version__
from napari_cfr_icl._errors import DownloadError
from napari_cfr_icl._files import explain_write_failure, publish

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path
    from typing import BinaryIO

    Progress: TypeAlias = Callable[[int, int | None], None]
    """Called with bytes done and total bytes (None: unknown). It may raise, to cancel."""

    Verify: TypeAlias = Callable[[Path], str | None]
    """Describes the damage of a complete file ("it is ..."), or returns None."""

__all__ = ["Progress", "Verify", "fetch", "remote_size"]

_CHUNK: Final = 64 * 1024
_CONNECT_SECONDS: Final = 15
_SILENCE_SECONDS: Final = 60
_ATTEMPTS: Final = 4


class _CutError(Exception):
    """The connection broke; the bytes received are in the part file."""


def fetch(url: str, target: Path, verify: Verify, progress: Progress | None = None) -> None:
    """Download `url` to `target`, resuming an earlier attempt, unless `target` exists.

    Parameters
    ----------
    url : str
        Address to fetch.
    target : Path
        Path of the file, in an existing folder.
    verify : callable
        Checks the complete file before it gets its name; see `Verify`.
    progress : callable, optional
        Called after each piece that arrives; see `Progress`.

    Raises
    ------
    DownloadError
        With cause and cure. At most a resumable `.part` file is left.
    """
    if target.exists():
        return
    try:
        part = _transfer_with_retries(url, target, progress or (lambda done, total: None))
        if (problem := verify(part)) is not None:
            part.unlink()
            raise DownloadError(
                f"The download from {url} is not what it should be: {problem}. "
                "It was thrown away; try again, or from another network."
            )
        publish(part, target)
        for stale in _parts(target):
            stale.unlink()
    except requests.RequestException as error:
        raise DownloadError(_explain_request_error(url, error)) from error
    except OSError as error:
        raise DownloadError(explain_write_failure(error, target.parent)) from error


def remote_size(url: str) -> int | None:
    """Size of `url` in bytes; None if the server does not say."""
    try:
        answer = requests.head(
            url, headers=_HEADERS, timeout=_CONNECT_SECONDS, allow_redirects=True
        )
    except requests.RequestException:
        return None
    return _length(answer.headers, "Content-Length") if answer.ok else None


_HEADERS: Final = {
    "User-Agent": f"napari-cfr-icl/{__version__}",
    # Compressed transfer would make byte counts and ranges meaningless.
    "Accept-Encoding": "identity",
}


def _transfer_with_retries(url: str, target: Path, progress: Progress) -> Path:
    arrived = -1
    for _ in range(_ATTEMPTS):
        try:
            return _transfer(url, target, progress)
        except _CutError as cut:
            before, part = arrived, _earlier_part(target)
            arrived = part.stat().st_size if part else 0
            if arrived <= before:
                raise DownloadError(_explain_cut(url, arrived)) from cut
    raise DownloadError(_explain_cut(url, arrived))


def _transfer(url: str, target: Path, progress: Progress) -> Path:
    """Receive the missing bytes; return the complete part file or raise `_CutError`."""
    earlier = _earlier_part(target)
    offset = earlier.stat().st_size if earlier else 0
    with _ask(url, offset) as answer:
        part = _part_path(target, answer.headers)
        if earlier is not None and answer.status_code in (206, 416):
            if answer.status_code == 416 and _length_in_all(answer.headers) == offset:
                return earlier
            sent = answer.headers.get("Content-Range", "")
            if part != earlier or not sent.startswith(f"bytes {offset}-"):
                earlier.unlink()
                return _transfer(url, target, progress)
        _check_answer(url, answer)
        if earlier is not None and offset and answer.status_code != 206:
            earlier.unlink()  # the server ignores ranges
            offset = 0
        total = _total(answer, offset)
        _check_space(part.parent, total, offset)
        with part.open("ab") as stream:
            _receive(answer, stream, total, progress)
    return part


def _ask(url: str, offset: int) -> requests.Response:
    headers = _HEADERS | ({"Range": f"bytes={offset}-"} if offset else {})
    timeouts = (_CONNECT_SECONDS, _SILENCE_SECONDS)
    return requests.get(url, headers=headers, stream=True, timeout=timeouts)


def _receive(
    answer: requests.Response, stream: BinaryIO, total: int | None, progress: Progress
) -> None:
    # Counted here, because urllib3 would drop the last bytes before the connection broke.
    answer.raw.enforce_content_length = False
    try:
        for chunk in answer.iter_content(_CHUNK):
            stream.write(chunk)
            progress(stream.tell(), total)
    except requests.RequestException as error:
        raise _CutError(str(error)) from error
    if total is not None and stream.tell() < total:
        raise _CutError(f"{stream.tell()} of {total} bytes")


def _check_answer(url: str, answer: requests.Response) -> None:
    status = answer.status_code
    if status in (404, 410):
        raise DownloadError(
            f"There is no file at {url} any more (HTTP {status}). Look for it at the publisher's "
            "page and import the file that you find there."
        )
    if status in (401, 403):
        raise DownloadError(
            f"The server refuses to hand out {url} (HTTP {status}). A firewall or a login may be "
            "in the way: fetch the file in a web browser and import it."
        )
    if not answer.ok:
        raise DownloadError(f"The server of {url} is in trouble (HTTP {status}): try again later.")
    if answer.headers.get("Content-Type", "").lower().startswith("text/html"):
        raise DownloadError(
            f"Instead of the file, {url} sent a web page, as a login or a firewall does: "
            "fetch the file in a web browser and import it."
        )


def _check_space(folder: Path, total: int | None, offset: int) -> None:
    if total is None:
        return
    missing, free = total - offset, shutil.disk_usage(folder).free
    if missing > free:
        raise DownloadError(
            f"The download needs {missing / 1e6:.0f} MB, but the disk that holds {folder} has "
            f"{free / 1e6:.0f} MB free: free some space and try again."
        )


def _total(answer: requests.Response, offset: int) -> int | None:
    if answer.status_code == 206:
        return _length_in_all(answer.headers)
    length = _length(answer.headers, "Content-Length")
    return None if length is None else offset + length


def _length(headers: Mapping[str, str], name: str) -> int | None:
    value = headers.get(name, "")
    return int(value) if value.isdecimal() else None


def _length_in_all(headers: Mapping[str, str]) -> int | None:
    """Read the "999" of `Content-Range: bytes 5-998/999`."""
    value = headers.get("Content-Range", "").rpartition("/")[2]
    return int(value) if value.isdecimal() else None


def _part_path(target: Path, headers: Mapping[str, str]) -> Path:
    mark = headers.get("ETag") or headers.get("Last-Modified") or ""
    version = hashlib.sha256(mark.encode()).hexdigest()[:8]
    return target.with_name(f"{target.name}.{version}.part")


def _earlier_part(target: Path) -> Path | None:
    return max(_parts(target), key=lambda part: part.stat().st_size, default=None)


def _parts(target: Path) -> list[Path]:
    return list(target.parent.glob(f"{target.name}.????????.part"))


def _explain_cut(url: str, arrived: int) -> str:
    return (
        f"The connection to {url} broke off after {arrived / 1e6:.1f} MB. "
        "What arrived is kept: start the download again and it goes on from there."
    )


def _explain_request_error(url: str, error: requests.RequestException) -> str:
    if isinstance(error, requests.Timeout):
        return f"{url} does not answer: try again later."
    if isinstance(error, requests.exceptions.SSLError):
        return f"No secure connection to {url}: a firewall or a wrong clock may be the reason."
    return (
        f"{url} cannot be reached: check the network or the proxy settings, "
        "or fetch the file on another computer and import it."
    )
