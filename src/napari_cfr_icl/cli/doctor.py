"""The command `doctor`."""

from __future__ import annotations

import os
import platform
import sys
import time
from importlib.metadata import PackageNotFoundError, version

from napari_cfr_icl import __version__
from napari_cfr_icl._errors import CfrIclError

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
    "GOMP_SPINCOUNT",
    "KMP_BLOCKTIME",
    "OMP_NUM_THREADS",
    "OMP_WAIT_POLICY",
    "QT_API",
    "QT_QPA_PLATFORM",
    "WAYLAND_DISPLAY",
)
_NUCLEUS = (109, 328)
"""Row and column of the centre of a nucleus in the sample."""


def doctor() -> None:
    """Show what a bug report needs.

    Versions, devices, models, and whether the built-in model works. Exit code 1 if it does not.
    """
    _show(f"napari-cfr-icl {__version__}", _system())
    _show("Packages", {name: _version(name) for name in _PACKAGES})
    _show("Environment", {name: os.environ.get(name, "-") for name in _VARIABLES})
    _show("Devices", _devices())
    _show("Models", _models())
    try:
        _show("The built-in model", _click())
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
    from napari_cfr_icl.engine.runtime.int8_linear import computes_int8

    gpus = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    return {
        "available": ", ".join(available_devices()),
        "GPUs": ", ".join(gpus) or "none",
        "CUDA": torch.version.cuda or "PyTorch was built without it",
        "CPU": torch.backends.cpu.get_cpu_capability()
        + (", 8-bit products" if computes_int8() else ""),
        "threads": str(torch.get_num_threads()),
        "waiting": os.environ.get(
            "OMP_WAIT_POLICY", "short in napari, if no other plugin loads torch first"
        ),
    }


def _models() -> dict[str, str]:
    from napari_cfr_icl.zoo import ModelStore, available

    store = ModelStore()
    here = [status for status in available(store) if status.path is not None]
    return {
        "folder": f"{store.folder}{'' if store.folder.is_dir() else ' (not made yet)'}",
        **{status.name: status.state.value for status in here},
    }


def _click() -> dict[str, str]:
    """Load the built-in model and click a nucleus of the sample."""
    from napari_cfr_icl import samples, zoo
    from napari_cfr_icl.engine import Click, Predictor, Settings

    start = time.perf_counter()
    model = zoo.load(zoo.DEFAULT_MODEL)
    loaded = time.perf_counter()
    predictor = Predictor(model, Settings.interactive(model))
    prediction = predictor.predict(samples.load("nuclei").image, [Click(*_NUCLEUS)])
    passes = ", ".join(f"{1000 * step.seconds:.0f} ms" for step in prediction.trace)
    return {
        "loading": f"{1000 * (loaded - start):.0f} ms",
        "arithmetic": f"{predictor.network.arithmetic} on {predictor.network.device}",
        "a click": f"{passes} ({prediction.stopped})",
    }
