"""A web server on this machine that serves files badly, in the ways that real ones do."""

from __future__ import annotations

import threading
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass
class Served:
    """One file, and how it is served."""

    content: bytes
    version: str | None = "v1"
    status: int = 200
    content_type: str = "application/octet-stream"
    honours_range: bool = True
    states_length: bool = True
    # Bytes after which the line breaks: one entry for each request, then none.
    cuts: list[int] = field(default_factory=list)
    # Length that is announced instead of the true one.
    announced: int | None = None
    # Bytes of the file after which the line waits for permission.
    pause_at: int | None = None
    may_go_on: threading.Event = field(default_factory=threading.Event)


@dataclass
class Site:
    """Files by their paths, and what was asked for."""

    url: str
    files: dict[str, Served] = field(default_factory=dict)
    requests: list[tuple[str, str, str | None]] = field(default_factory=list)

    def put(self, path: str, content: bytes, **how: object) -> str:
        """Serve `content` and return its address."""
        self.files[path] = Served(content, **how)  # type: ignore[arg-type]
        return self.url + path

    def ranges(self) -> list[str | None]:
        """The Range header of every download so far."""
        return [asked for method, _, asked in self.requests if method == "GET"]


@contextmanager
def serving() -> Iterator[Site]:
    """Serve until the block ends."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.site = Site(f"http://127.0.0.1:{server.server_port}")  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server.site  # type: ignore[attr-defined]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def _answer(self, *, with_body: bool) -> None:
        site: Site = self.server.site  # type: ignore[attr-defined]
        site.requests.append((self.command, self.path, self.headers.get("Range")))
        served = site.files.get(self.path) or Served(b"gone", status=404)
        body = self._send_head(served)
        if with_body:
            if served.cuts:
                body = body[: served.cuts.pop(0)]
            # Whoever asked may have hung up.
            with suppress(ConnectionError):
                self._send(body, served)

    def _send(self, body: bytes, served: Served) -> None:
        if served.pause_at is None:
            self.wfile.write(body)
            return
        sent = max(0, served.pause_at - (len(served.content) - len(body)))
        self.wfile.write(body[:sent])
        served.may_go_on.wait()
        self.wfile.write(body[sent:])

    def _send_head(self, served: Served) -> bytes:
        whole = len(served.content)
        asked = self.headers.get("Range") if served.honours_range else None
        start = int(asked.removeprefix("bytes=").removesuffix("-")) if asked else 0
        out_of_range = asked is not None and start >= whole
        body = b"" if out_of_range else served.content[start:]
        self.send_response(416 if out_of_range else 206 if asked else served.status)
        self.send_header("Content-Type", served.content_type)
        if out_of_range:
            self.send_header("Content-Range", f"bytes */{whole}")
        elif asked:
            self.send_header("Content-Range", f"bytes {start}-{whole - 1}/{whole}")
        if served.version is not None:
            self.send_header("ETag", f'"{served.version}"')
        if served.states_length:
            length = len(body) if served.announced is None else served.announced
            self.send_header("Content-Length", str(length))
        self.end_headers()
        return body

    def log_message(self, *args: object) -> None:
        """Keep the tests' output clean."""
