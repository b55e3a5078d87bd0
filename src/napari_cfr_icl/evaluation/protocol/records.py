"""The result of one object under one method."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cfr_icl.engine.clicks import Click

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from napari_cfr_icl.evaluation.protocol.simulate import Simulation


@dataclass(frozen=True, slots=True)
class Method:
    """The method that was evaluated.

    Parameters
    ----------
    model, preset, scheme : str
        As they were chosen.
    """

    model: str
    preset: str
    scheme: str


@dataclass(frozen=True, slots=True)
class Subject:
    """The object that a method was evaluated on.

    Parameters
    ----------
    dataset, picture, object : str
        Names of the data set, the picture and the object.
    index : int
        Number of the object in the run, see `napari_cfr_icl.evaluation.protocol.work_list.STRIDE`.
    area : int
        Pixels of the object.
    shape : tuple of int
        (rows, columns) of the picture.
    """

    dataset: str
    picture: str
    object: str
    index: int
    area: int
    shape: tuple[int, int]

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> Subject:
        """The subject that was written as plain data."""
        rows, columns = content["shape"]
        return cls(**{**content, "shape": (rows, columns)})

    @property
    def name(self) -> str:
        """The object's full name, which does not depend on what else is evaluated."""
        return f"{self.dataset}/{self.picture}/{self.object}"


@dataclass(frozen=True, slots=True)
class Record:
    """One object under one method; one value for each click.

    Parameters
    ----------
    method : Method
        The method.
    subject : Subject
        The object.
    ious : tuple of float
        IoU after each click.
    clicks : tuple of Click
        The clicks.
    passes : tuple of int
        Passes through the network.
    stopped : tuple of str
        Why the inner loop ended.
    seconds : tuple of float
        Duration of the predictions.
    user_seconds : tuple of float
        Time that finding the clicks took.
    arithmetic : str
        In what the network computed: "float32", "bfloat16", "float16" or "int8".
    """

    method: Method
    subject: Subject
    ious: tuple[float, ...]
    clicks: tuple[Click, ...]
    passes: tuple[int, ...]
    stopped: tuple[str, ...]
    seconds: tuple[float, ...]
    user_seconds: tuple[float, ...]
    arithmetic: str = "float32"

    @classmethod
    def of(
        cls,
        method: Method,
        subject: Subject,
        done: Sequence[Simulation],
        arithmetic: str = "float32",
    ) -> Record:
        """The record of an object that was clicked through."""
        return cls(
            method,
            subject,
            ious=tuple(item.iou for item in done),
            clicks=tuple(item.click for item in done),
            passes=tuple(item.passes for item in done),
            stopped=tuple(item.stopped for item in done),
            seconds=tuple(item.seconds for item in done),
            user_seconds=tuple(item.user_seconds for item in done),
            arithmetic=arithmetic,
        )

    @property
    def key(self) -> tuple[Method, int]:
        """Unique among the records of a run."""
        return self.method, self.subject.index

    def to_line(self) -> str:
        """The record as one line of JSON."""
        content = asdict(self)
        # the shortest decimal that gives the same float32 back
        content["ious"] = [float(str(np.float32(value))) for value in self.ious]
        content["clicks"] = [[click.row, click.col, click.positive] for click in self.clicks]
        for name in ("seconds", "user_seconds"):
            content[name] = [round(value, 6) for value in content[name]]
        return json.dumps(content, separators=(",", ":"))

    @classmethod
    def from_line(cls, line: str) -> Record:
        """The record that `to_line` wrote.

        Raises
        ------
        ValueError
            When the line is another one, or torn.
        """
        try:
            content: dict[str, Any] = json.loads(line)
            subject = Subject.from_json(content.pop("subject"))
            method = Method(**content.pop("method"))
            clicks = tuple(Click(*click) for click in content.pop("clicks"))
            arithmetic = str(content.pop("arithmetic"))
            rest = {name: tuple(values) for name, values in content.items()}
            return cls(method, subject, clicks=clicks, arithmetic=arithmetic, **rest)
        except (KeyError, TypeError, IndexError, AttributeError) as error:
            raise ValueError(f"no record: {error!r}") from error


def in_order(records: Iterable[Record], methods: Sequence[Method]) -> list[Record]:
    """Each record once: by method as in `methods`, then by the number of the object."""
    rank = {method: number for number, method in enumerate(methods)}
    unique = {record.key: record for record in records if record.method in rank}
    return sorted(unique.values(), key=lambda item: (rank[item.method], item.subject.index))
