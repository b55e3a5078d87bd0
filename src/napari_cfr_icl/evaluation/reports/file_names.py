"""Names of files made from names of data sets and models."""

from __future__ import annotations


def file_stem(title: str) -> str:
    """A name that every file system takes: letters, digits and dashes."""
    words = "".join(letter if letter.isalnum() else " " for letter in title.lower()).split()
    return "-".join(words)
