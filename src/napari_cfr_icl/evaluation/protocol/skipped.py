"""Pictures that cannot be read: a run leaves them out, says so, and goes on.

A picture that any process left out is left out of all results, whatever others made of it: methods
are compared on the same objects only.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from napari_cfr_icl._errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from napari_cfr_icl.engine.runtime.distributed import Distributed
    from napari_cfr_icl.evaluation.protocol.result_log import AnyResult

Read = TypeVar("Read")


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


class SkippedPictures:
    """The pictures that this process could not read.

    Parameters
    ----------
    on_skipped : callable, optional
        Hears of each picture once, as soon as it is known.
    """

    def __init__(self, on_skipped: Callable[[SkippedPicture], None] | None = None) -> None:
        self._on_skipped = on_skipped
        self._found: dict[tuple[str, str], SkippedPicture] = {}

    @property
    def found(self) -> tuple[SkippedPicture, ...]:
        """Those known so far."""
        # The order in which pictures were met depends on how many processes there were.
        return tuple(self._found[key] for key in sorted(self._found))

    def has(self, dataset: str, picture: str) -> bool:
        """True where this picture is left out."""
        return (dataset, picture) in self._found

    def attempt(self, dataset: str, picture: str, read: Callable[[], Read]) -> Read | None:
        """The result of `read` for a picture; None, and the picture is left out, where it fails."""
        try:
            return read()
        except (InputError, OSError) as error:
            # What a library said of a file may have several lines.
            self._add(SkippedPicture(dataset, picture, " ".join(str(error).split())))
            return None

    def gathered(self, processes: Distributed) -> tuple[SkippedPicture, ...]:
        """The pictures that any process left out; the leading one tells those of others, too."""
        for item in processes.gathered(map(asdict, self._found.values())):
            self._add(SkippedPicture(**item), heard=processes.leads)
        return self.found

    def _add(self, item: SkippedPicture, heard: bool = True) -> None:
        key = item.dataset, item.picture
        if key in self._found:
            return
        self._found[key] = item
        if self._on_skipped is not None and heard:
            self._on_skipped(item)


def without(skipped: Sequence[SkippedPicture], results: Iterable[AnyResult]) -> list[AnyResult]:
    """The results without those of pictures that are left out."""
    gone = {(item.dataset, item.picture) for item in skipped}
    return [r for r in results if (r.subject.dataset, r.subject.picture) not in gone]


def nothing_left(skipped: Sequence[SkippedPicture], otherwise: str) -> InputError:
    """The error of a run without any result."""
    if not skipped:
        return InputError(otherwise)
    return InputError(
        f"No picture with objects could be read; {len(skipped)} were left out. The first: "
        f"{skipped[0].picture} of {skipped[0].dataset}. {skipped[0].why}"
    )


def skipped_section(skipped: Sequence[SkippedPicture]) -> str:
    """The section of a report about them; empty where there are none."""
    if not skipped:
        return ""
    head = "\n## Left out\n\nThese could not be read, and are in none of the numbers.\n\n"
    lines = [f"* {item.picture} of {item.dataset}: {item.why}\n" for item in skipped]
    return head + "".join(lines)


def as_data(skipped: Sequence[SkippedPicture]) -> list[dict[str, Any]]:
    """The same as plain data."""
    return [asdict(item) for item in skipped]


def skipped_sentence(count: int, report: Path) -> str:
    """The sentence about them at the end of a run."""
    pictures = "1 picture" if count == 1 else f"{count} pictures"
    return (
        f"{pictures} could not be read and left out of all numbers: {report} says which and why. "
        "The same command tries again."
    )
