"""Devices: which one to use, and one sentence when it is missing or full."""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import torch

from napari_cfr_icl._errors import DeviceError

if TYPE_CHECKING:
    from collections.abc import Iterator

_OUT_OF_MEMORY: Final = re.compile(
    r"out of memory|can't allocate memory|not enough memory|alloc(ation)?_failed"
    r"|unable to find an engine",
    re.IGNORECASE,
)
"""What PyTorch, CUDA, cuDNN and cuBLAS say, each in its own words. cuDNN finds no engine for a
convolution that it knows when no engine gets the memory that it wants."""


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
    """Turn a device's errors inside the block, most of them of memory, into one clear sentence."""
    try:
        yield
    except RuntimeError as error:
        cure = "" if device.type == "cpu" else ", or choose the device cpu"
        if out_of_memory(error):
            raise DeviceError(
                f"The device {str(device)!r} is out of memory; close other programs that use it"
                f"{cure}."
            ) from error
        if isinstance(error, torch.AcceleratorError):
            raise DeviceError(
                f"The device {str(device)!r} failed ({str(error).splitlines()[0]}); start the "
                f"program again{cure}."
            ) from error
        raise


def out_of_memory(error: Exception) -> bool:
    """True for an error that says that memory ran out, on a GPU or on a CPU."""
    return isinstance(error, RuntimeError) and bool(_OUT_OF_MEMORY.search(str(error)))


@contextmanager
def full_float32(device: torch.device) -> Iterator[None]:
    """Keep float32 inside the block at its 24 bits.

    On a CUDA GPU, PyTorch rounds the inputs of convolutions to the 11 bits of TF32 by default, and
    those of matrix products where another library has asked for it.
    """
    if device.type != "cuda":
        yield
        return
    conv: Any = torch.backends.cudnn.conv  # type: ignore[attr-defined]
    switches = (conv, torch.backends.cuda.matmul)
    before = [switch.fp32_precision for switch in switches]
    try:
        for switch in switches:
            switch.fp32_precision = "ieee"
        yield
    finally:
        for switch, precision in zip(switches, before, strict=True):
            switch.fp32_precision = precision
