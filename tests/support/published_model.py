"""A model in the catalogue that is published on a server of this machine."""

from __future__ import annotations

from contextlib import contextmanager

from checkpoints import HRNET
from file_server import serving
from napari_cfr_icl.zoo import CATALOGUE, ModelEntry

NAME = "published"
FILE = "published.pth"


def entry_of(*urls, **known):
    """What the catalogue says of it."""
    return ModelEntry(
        name=NAME,
        title="Published",
        architecture="hrnet18s",
        licence="MIT",
        source="us",
        page="https://example.org",
        file_name=FILE,
        urls=urls,
        **known,
    )


@contextmanager
def site_with_model(monkeypatch):
    """A server that has the model NAME, and whose line may break."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with serving() as running:
        entry = entry_of(running.put(f"/{FILE}", HRNET.read_bytes()))
        monkeypatch.setitem(CATALOGUE, NAME, entry)
        yield running
