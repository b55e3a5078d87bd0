"""Devices: which one to use, and one sentence when it is missing or full."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch

from napari_cfr_icl._errors import DeviceError

if TYPE_CHECKING:
    from collections.abc import Iterator


def pick_device(name: str = "auto") -> torch.device:
    """The device called `name`.

    Parameters
    ----------
    name : str
        "auto" takes a CUDA GPU, else Apple's, else the CPU; or "cpu", "cuda", "cuda:1", "mps".

    Raises
    ------
    DeviceError
        When there is no device of that name, or none on this machine.
    """
    if name == "auto":
        return torch.device(available_devices()[-1])
    try:
        device = torch.device(name)
    except RuntimeError:
        raise DeviceError(f"{name!r} is no device; choose auto, cpu, cuda or mps.") from None
    if device.type not in available_devices():
        raise DeviceError(
            f"This machine has no {device.type!r} device that PyTorch {torch.__version__} can use; "
            f"available: {', '.join(available_devices())}."
        )
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise DeviceError(f"This machine has {torch.cuda.device_count()} GPUs, none is {name!r}.")
    return device


def available_devices() -> tuple[str, ...]:
    """Kinds of device on this machine, the quickest last."""
    devices = ["cpu"]
    if torch.backends.mps.is_available():
        devices.append("mps")
    if torch.cuda.is_available():
        devices.append("cuda")
    return tuple(devices)


@contextmanager
def readable_memory_errors(device: torch.device) -> Iterator[None]:
    """Turn an out-of-memory error inside the block into one clear sentence."""
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise DeviceError(
            f"The device {str(device)!r} is out of memory; close other programs that use it, "
            "or choose the device cpu."
        ) from error
