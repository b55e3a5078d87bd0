"""The command `doctor`."""

from __future__ import annotations

import os
import platform
import sys
import time
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from napari_cfr_icl import __version__
from napari_cfr_icl._errors import CfrIclError

if TYPE_CHECKING:
    from napari_cfr_icl.engine.settings import Precision

_PACKAGES = (
    "torch",
    "torchvision",
    "timm",
    "numpy",
    "scikit-image",
    "tifffile",
    "zarr",
    "napari",
    "PyQt6",
    "PySide6",
    "qtpy",
)
_VARIABLES = (
    "CUDA_VISIBLE_DEVICES",
    "DISPLAY",
    "NAPARI_CFR_ICL_CONFIG",
    "NAPARI_CFR_ICL_DATA",
    "NAPARI_CFR_ICL_MODELS",
    "NAPARI_CFR_ICL_SYNC",
    "OMP_NUM_THREADS",
    "QT_API",
    "QT_QPA_PLATFORM",
    "WAYLAND_DISPLAY",
)
_NUCLEUS = (109, 328)
"""Row and column of the centre of a nucleus in the sample."""


def doctor(
    *,
    trial: Annotated[
        bool, Parameter(help="Find the quickest arithmetic, too; takes some seconds.")
    ] = False,
) -> None:
    """Show what a bug report needs.

    Versions, devices, models, and whether the built-in model works. Exit code 1 if it does not.
    """
    _show(f"napari-cfr-icl {__version__}", _system())
    _show("Packages", {name: _version(name) for name in _PACKAGES})
    _show("Environment", {name: os.environ.get(name, "-") for name in _VARIABLES})
    _show("Devices", _devices())
    _show("Models", _models())
    try:
        _show("The built-in model", _click("fast" if trial else "float32"))
    except CfrIclError as error:
        _show("The built-in model", {"fails": str(error)})
        sys.exit(1)


def _show(title: str, facts: dict[str, str]) -> None:
    print(title)
    width = max((len(name) for name in facts), default=0)
    for name, fact in facts.items():
        print(f"  {name.ljust(width)}  {fact}")


def _system() -> dict[str, str]:
    return {
        "Python": f"{platform.python_version()}, {sys.executable}",
        "system": platform.platform(),
        "processor": f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores",
    }


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _devices() -> dict[str, str]:
    import torch

    from napari_cfr_icl.engine.runtime.device import available_devices

    gpus = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    return {
        "available": ", ".join(available_devices()),
        "GPUs": ", ".join(gpus) or "none",
        "CUDA": torch.version.cuda or "PyTorch was built without it",
        "CPU": torch.backends.cpu.get_cpu_capability(),
        "threads": str(torch.get_num_threads()),
    }


def _models() -> dict[str, str]:
    from napari_cfr_icl.zoo import ModelStore, available

    store = ModelStore()
    here = [status for status in available(store) if status.path is not None]
    return {
        "folder": f"{store.folder}{'' if store.folder.is_dir() else ' (not made yet)'}",
        **{status.name: status.state.value for status in here},
    }


def _click(precision: Precision) -> dict[str, str]:
    """Load the built-in model and click a nucleus of the sample."""
    from napari_cfr_icl import samples, zoo
    from napari_cfr_icl.engine import Click, Predictor, Settings

    start = time.perf_counter()
    model = zoo.load(zoo.DEFAULT_MODEL)
    loaded = time.perf_counter()
    predictor = Predictor(model, replace(Settings.interactive(model), precision=precision))
    placed = time.perf_counter()
    prediction = predictor.predict(samples.load("nuclei").image, [Click(*_NUCLEUS)])
    trial = {"trial": f"{placed - loaded:.1f} s"} if precision == "fast" else {}
    passes = ", ".join(f"{1000 * step.seconds:.0f} ms" for step in prediction.trace)
    return {
        "loading": f"{1000 * (loaded - start):.0f} ms",
        "arithmetic": f"{predictor.network.arithmetic} on {predictor.network.device}",
        **trial,
        "a click": f"{passes} ({prediction.stopped})",
    }
