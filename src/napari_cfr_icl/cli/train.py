"""The commands under `train`."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from itertools import count
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import App, Parameter

from napari_cfr_icl._errors import SettingsError
from napari_cfr_icl.engine.settings import DEVICES

if TYPE_CHECKING:
    from napari_cfr_icl.training.data.check import DatasetReport
    from napari_cfr_icl.training.options import TrainOptions
    from napari_cfr_icl.training.runs.run_folder import Listener

_SHOWN_FINDINGS, _MOST_FINDINGS = 40, 5000
"""Printed to read, and written as JSON."""

train = App(
    name="train", help="Tune a model on your own pictures; `train COLLECTION` begins a run."
)

Collections = Annotated[
    Path, Parameter(name="COLLECTION...", help="Folders, CSV lists or COCO json files.")
]
Images = Annotated[
    Path | None,
    Parameter(help="Folder of the images, if not beside the labels that COLLECTION holds."),
]
Config = Annotated[str, Parameter(help="A recipe: finetune, paper, or a TOML file.")]
Base = Annotated[str | None, Parameter(help="Name or file of the model to begin with.")]
Encoder = Annotated[
    Literal["whole", "frozen", "lora"] | None,
    Parameter(help="Image encoder of SAM's family: it learns, stays, or learns adapters alone."),
]
Device = Annotated[str, Parameter(help=DEVICES)]
Json = Annotated[bool, Parameter(name="--json", help="Tell everything in lines of JSON.")]


@train.default
@train.command(name="run")
def run_command(  # noqa: PLR0913 - one for each option
    *collections: Collections,
    images: Images = None,
    out: Annotated[Path, Parameter(help="Folder of the run.")] = Path("run"),
    config: Config = "finetune",
    base: Base = None,
    encoder: Encoder = None,
    values: Annotated[
        tuple[str, ...],
        Parameter(
            name="--set", metavar="NAME=VALUE", help="Another value for an option; repeatable."
        ),
    ] = (),
    device: Device = "auto",
    resume: Annotated[bool, Parameter(help="Go on with the run in --out.")] = False,
) -> None:
    """Train on collections; this is what `train COLLECTION` does.

    Under torchrun several GPUs or machines share the work.
    """
    # In small pages, taking gigabytes and giving them back costs up to half of a step's time.
    # PyTorch looks at this once, when it is loaded.
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")
    from napari_cfr_icl.training.runs import loop

    options = None
    if resume and (collections or values or base or images or encoder):
        raise SettingsError("A resumed run knows its collections and options: give only --out.")
    if not resume:
        if not collections:
            raise SettingsError("Give at least one collection, or --resume with --out.")
        encoders = () if encoder is None else (f"optimizer.encoder={encoder}",)
        options = _options(config, base, (*encoders, *values))
    with _stop_on_interrupt(out):
        outcome = loop.main(options, list(collections), out, device, _listener(out), images)
    if os.environ.get("RANK", "0") != "0":
        return
    if not outcome.finished:
        print(f"Stopped; go on with: napari-cfr-icl train --resume --out {out}")
        return
    print(f"The model is {outcome.model}.")
    if outcome.verdict is not None:
        print(f"{outcome.verdict.sentence} See {out / 'gate' / 'report.md'}.")


@train.command(name="check")
def check_command(
    *collections: Collections,
    images: Images = None,
    page: Annotated[Path | None, Parameter(help="Folder for a page with pictures.")] = None,
    as_json: Json = False,
) -> None:
    """Read whole collections and say what is wrong with which file."""
    from napari_cfr_icl.training.data.check import inspect_dataset
    from napari_cfr_icl.training.data.check_page import write_check_page
    from napari_cfr_icl.training.data.collection import open_collection

    usable, read = True, count(1)
    opened = [open_collection(path, images) for path in collections]
    pictures = sum(len(collection.examples) for collection in opened)

    def on_read(*_: Any) -> None:
        _print_json(read=next(read), of=pictures)

    for collection in opened:
        found = inspect_dataset(collection, on_read=on_read if as_json else None)
        if as_json:
            _print_json(report=_report_data(found))
        else:
            _print_report(found)
        usable = usable and bool(found.records)
        if page is not None:
            written = write_check_page(found, page / found.collection.name)
            print(f"Pictures: {written}")
    if not collections or not usable:
        raise SettingsError("There is nothing to train on.")


@train.command(name="suggest")
def suggest_command(
    *collections: Collections,
    images: Images = None,
    config: Config = "finetune",
    base: Base = None,
    device: Device = "auto",
    as_json: Json = False,
) -> None:
    """Try the network for some seconds; say what suits this machine and how long it takes."""
    from napari_cfr_icl.training.data.collection import open_collection
    from napari_cfr_icl.training.runs.suggest import suggest

    pictures = sum(len(open_collection(path, images).examples) for path in collections)
    found = suggest(_options(config, base, ()), pictures, device)
    if as_json:
        _print_json(suggestion=asdict(found))
        return
    print(f"{found.machine}: about {max(1, round(found.seconds / 60))} min with")
    for section, values in found.values.items():
        for name, value in values.items():
            print(f"  --set {section}.{name}={value}")


@train.command(name="use")
def use_command(
    run: Annotated[Path, Parameter(name="RUN", help="Folder of a finished run.")],
    /,
    *,
    name: Annotated[
        str | None, Parameter(help="What to call the model; as the folder by default.")
    ] = None,
    anyway: Annotated[bool, Parameter(help="Even if it did not pass the gate.")] = False,
) -> None:
    """Put the model of a run that passed the gate into the model menu."""
    from napari_cfr_icl.training.runs.publish import publish_model

    known = publish_model(run, name, anyway=anyway)
    print(f"The model is in the menu as {known!r}.")


@train.command(name="options")
def options_command(*, config: Config = "finetune") -> None:
    """Show every option of a recipe, as TOML that can be changed and given to --config."""
    from napari_cfr_icl.training import recipes

    print(recipes.dumps(recipes.load_recipe(config)), end="")


def _options(config: str, base: str | None, values: Sequence[str]) -> TrainOptions:
    from napari_cfr_icl._options import with_values
    from napari_cfr_icl.training import recipes

    options = recipes.with_assignments(recipes.load_recipe(config), values)
    return options if base is None else with_values(options, {"base": base})


@contextmanager
def _stop_on_interrupt(out: Path) -> Iterator[None]:
    """The first Ctrl+C stops the run after its step, a second one at once."""

    def ask(number: int, frame: object) -> None:
        signal.signal(signal.SIGINT, before)
        print("Stopping after this step; Ctrl+C again to stop at once.", file=sys.stderr)
        if out.is_dir():
            (out / "stop").touch()
        else:  # nothing has begun that could be saved
            raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, ask)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _listener(out: Path) -> Listener:
    from napari_cfr_icl.training.runs.progress import Bar, Board

    bar, board = Bar(), Board(out / "tensorboard")

    def listen(event: dict[str, Any]) -> None:
        bar.hear(event)
        board.hear(event)

    return listen


def _print_report(found: DatasetReport) -> None:
    objects = sum(len(record.objects) for record in found.records)
    print(
        f"{found.collection.name}: {len(found.records)} usable pictures, {objects} objects, "
        f"{len(found.findings)} findings"
    )
    for finding in found.findings[:_SHOWN_FINDINGS]:
        print(f"  {finding.severity}: {finding.key}: {finding.text}")
    if (more := len(found.findings) - _SHOWN_FINDINGS) > 0:
        print(f"  and {more} more; --page FOLDER writes them all")


def _report_data(found: DatasetReport) -> dict[str, Any]:
    """The part of a report that a form shows."""
    areas = [int(area) for record in found.records for area in record.objects.areas]
    return {
        "name": found.collection.name,
        "pictures": len(found.records),
        "objects": len(areas),
        "median_area": float(median(areas)) if areas else 0.0,
        "findings": [asdict(finding) for finding in found.findings[:_MOST_FINDINGS]],
    }


def _print_json(**facts: Any) -> None:
    print(json.dumps(facts, separators=(",", ":")), flush=True)
