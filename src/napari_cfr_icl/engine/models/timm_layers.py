"""timm's building blocks, imported without PyTorch's compiler.

timm and torchvision import `torch._dynamo` only to mark functions as not for compiling. That takes
four seconds, and loads triton, whose LLVM crashes a process in which Mesa's draws.
"""

from __future__ import annotations

import sys
from contextlib import contextmanager
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = [
    "Block",
    "ConvLayer",
    "HieraDet",
    "LayerNorm2d",
    "MBConv",
    "Mlp",
    "MultiScaleBlock",
    "PatchEmbed",
    "TinyVitBlock",
    "TinyVitStage",
    "tiny_vit",
    "vision_transformer_sam",
]

_COMPILER = ("torch._dynamo", "torch._dynamo.utils")


class _NoCompiler(ModuleType):
    """Stand-in for the compiler's modules. Whoever wants more of them gets the real ones."""

    @staticmethod
    def disable(function: Callable[..., Any] | None = None, *_: Any, **__: Any) -> Any:
        """Mark nothing: used as a decorator, with or without arguments."""
        return function or (lambda decorated: decorated)

    @staticmethod
    def is_compile_supported(device_type: str) -> bool:
        """Compile nothing."""
        return False

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # `inspect` asks every module for its file
            raise AttributeError(name)
        _remove_stand_ins()
        return getattr(import_module(self.__name__), name)


@contextmanager
def _without_compiler() -> Iterator[None]:
    if _COMPILER[0] not in sys.modules:
        sys.modules.update({name: _NoCompiler(name) for name in _COMPILER})
    try:
        yield
    finally:
        _remove_stand_ins()


def _remove_stand_ins() -> None:
    for name in _COMPILER:
        if isinstance(sys.modules.get(name), _NoCompiler):
            del sys.modules[name]


with _without_compiler():
    from timm.layers import LayerNorm2d, Mlp, PatchEmbed
    from timm.models import tiny_vit, vision_transformer_sam
    from timm.models.hieradet_sam2 import HieraDet, MultiScaleBlock
    from timm.models.tiny_vit import ConvLayer, MBConv, TinyVitBlock, TinyVitStage
    from timm.models.vision_transformer import Block
