"""Pictures that cannot be read: a run leaves them out, says so, and goes on.

A picture that any process left out is left out of all results, whatever others made of it: methods
are compared on the same objects only.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from napari_cfr_icl._errors import InputError
from napari_cfr_icl.evaluation.protocol.distributed import Share, gather_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from napari_cfr_icl.evaluation.protocol.records import Record
    from napari_cfr_icl.evaluation.tuning.findings import SearchFinding

Result = TypeVar("Result")
Kept = TypeVar("Kept", "SearchFinding", "Record")


@dataclass(frozen=True, slots=True)
class SkippedPicture:
    """A picture that could not be read.

    Parameters
    ----------
    dataset, picture : str
        Names of the data set and the picture.
    why : str
        The reason, in a sentence.
    """

    dataset: str
    picture: str
    why: str

    @property
    def sentence(self) -> str:
        """The same for people."""
        return f"{self.picture} of {self.dataset} is left out. {self.why}"

    def to_line(self) -> str:
        """The same as one line of JSON."""
        return json.dumps(asdict(self))

    @classmethod
    def from_line(cls, line: str) -> SkippedPicture:
        """What `to_line` wrote."""
        return cls(**json.loads(line))


class SkippedPictures:
    """The pictures that this process could not read.

    Parameters
    ----------
    tell : callable, optional
        Hears of each picture once, as soon as it is known.
    """

    def __init__(self, tell: Callable[[SkippedPicture], None] | None = None) -> None:
        self._tell = tell
        self._found: dict[tuple[str, str], SkippedPicture] = {}

    def has(self, dataset: str, picture: str) -> bool:
        """Whether this picture is left out."""
        return (dataset, picture) in self._found

    def attempt(self, dataset: str, picture: str, read: Callable[[], Result]) -> Result | None:
        """What `read` returns of a picture; None, and the picture is left out, where it cannot."""
        try:
            return read()
        except (InputError, OSError) as error:
            # What a library said of a file may have several lines.
            self._add(SkippedPicture(dataset, picture, " ".join(str(error).split())))
            return None

    def gathered(self, share: Share) -> tuple[SkippedPicture, ...]:
        """What any process left out, in process 0; what is left out here, in the others."""
        texts = gather_text(share, "".join(f"{item.to_line()}\n" for item in self._found.values()))
        for text in texts:
            for line in filter(None, text.splitlines()):
                self._add(SkippedPicture.from_line(line))
        # The order in which pictures were met depends on how many processes there were.
        return tuple(self._found[key] for key in sorted(self._found))

    def _add(self, item: SkippedPicture) -> None:
        key = item.dataset, item.picture
        if key in self._found:
            return
        self._found[key] = item
        if self._tell is not None:
            self._tell(item)


def without(skipped: Sequence[SkippedPicture], results: Iterable[Kept]) -> list[Kept]:
    """The results without those of pictures that are left out."""
    gone = {(item.dataset, item.picture) for item in skipped}
    return [r for r in results if (r.subject.dataset, r.subject.picture) not in gone]


def nothing_left(skipped: Sequence[SkippedPicture], otherwise: str) -> InputError:
    """Why a run has no result at all."""
    if not skipped:
        return InputError(otherwise)
    return InputError(
        f"No picture with objects could be read; {len(skipped)} were left out. The first: "
        f"{skipped[0].picture} of {skipped[0].dataset}. {skipped[0].why}"
    )


def section(skipped: Sequence[SkippedPicture]) -> str:
    """What a report says about them; empty where there are none."""
    if not skipped:
        return ""
    head = "\n## Left out\n\nThese could not be read, and are in none of the numbers.\n\n"
    lines = [f"* {item.picture} of {item.dataset}: {item.why}\n" for item in skipped]
    return head + "".join(lines)


def as_data(skipped: Sequence[SkippedPicture]) -> list[dict[str, Any]]:
    """The same as plain data."""
    return [asdict(item) for item in skipped]


def told(count: int, report: Path) -> str:
    """What is said of them when a run is over."""
    pictures = "1 picture" if count == 1 else f"{count} pictures"
    return (
        f"{pictures} could not be read and left out of all numbers: {report} says which and why. "
        "The same command tries again."
    )
