"""The path of one click through our code: from the press of the mouse to the preview of the mask.

A real viewer with the real model, profiled in the main thread and the network's between the press
and the return of the first `Preview.show`.

* Calls are entries into a module: from another module of ours, or from a library; the same call
  made again counts once. Properties, special methods (`__init__`, `__eq__` and so on) and methods
  of values (frozen dataclasses: windows, planes, states) are reads, and not counted.
* Observers are left out with all that they call: listeners of a signal from which the mask does not
  go on (the hint, the buttons, the autosave), timers and paint events.
* The network counts as one module and one call.

    scripts/with_display.sh --virtual python benchmarks/click_path.py [--all]
"""

from __future__ import annotations

import argparse
import inspect
import linecache
import os
import sys
import tempfile
import threading
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import napari

from napari_cfr_icl import samples
from napari_cfr_icl.gui.app.viewer_driver import PLUGIN, ViewerDriver

if TYPE_CHECKING:
    from types import FrameType

PACKAGE = "napari_cfr_icl."
WIDGET = "Segment with clicks"
NETWORK = ("engine.models", "engine.runtime")
DRIVER = ("gui.app.viewer_driver", "gui.layers.napari_private")
HANDOVERS = {"Runner.submit", "Preview.show"}
ASIDE = {"_on_collection", "paintEvent", "_on_look", "_on_timer", "_on_asked"}
PATIENCE = 600
"""Seconds."""


@dataclass(eq=False)
class Call:
    """One call of a function of ours."""

    thread: str
    parent: Call | None
    module: str
    function: str
    is_read: bool
    is_listener: bool
    leads_on: bool = False

    @property
    def edge(self) -> tuple[str, str, str, bool]:
        """Caller and function; a call of an observer is another one."""
        return before(self), self.module, self.function, self.is_on_path

    @property
    def is_entry(self) -> bool:
        """Whether the call enters a module."""
        return not self.is_read and (self.parent is None or self.parent.module != self.module)

    @property
    def is_on_path(self) -> bool:
        """Whether the call belongs to the way of the mask."""
        if self.function.rsplit(".", 1)[-1] in ASIDE or (self.is_listener and not self.leads_on):
            return False
        return self.parent is None or self.parent.is_on_path


@dataclass(eq=False)
class Trace:
    """Profile function; records while `on`."""

    on: bool = False
    calls: list[Call] = field(default_factory=list)
    frames: dict[FrameType, Call] = field(default_factory=dict)

    def __call__(self, frame: FrameType, event: str, _arg: Any) -> None:
        """Note a call; end with the first preview."""
        if not self.on or not is_ours(frame) or "<" in frame.f_code.co_name:
            return
        if event == "return" and frame.f_code.co_qualname == "Preview.show":
            self.on = False
        if event == "call" and frame not in self.frames:  # a generator that goes on is no new call
            self._note(frame)

    def _note(self, frame: FrameType) -> None:
        caller = frame.f_back
        while caller is not None and caller not in self.frames:
            caller = caller.f_back
        parent = None if caller is None else self.frames[caller]
        if parent is not None and parent.module.startswith("network"):
            return
        line = ""
        if caller is not None:
            line = linecache.getline(caller.f_code.co_filename, caller.f_lineno)
        call = Call(
            threading.current_thread().name,
            parent,
            module_of(frame),
            frame.f_code.co_qualname,
            is_read(frame),
            "emit(" in line or is_event(frame.f_back),
        )
        self.frames[frame] = call
        self.calls.append(call)
        above: Call | None = call
        while call.function in HANDOVERS and above is not None:
            above.leads_on, above = True, above.parent


def before(call: Call) -> str:
    """The module that a call came from; "-" for a library."""
    return "-" if call.parent is None else call.parent.module


def is_ours(frame: FrameType) -> bool:
    """Whether a function belongs to the package, other than the one that moves the mouse."""
    name = str(frame.f_globals.get("__name__", ""))
    return name.startswith(PACKAGE) and not name[len(PACKAGE) :].startswith(DRIVER)


def is_event(caller: FrameType | None) -> bool:
    """Whether a caller is napari telling of an event."""
    return caller is not None and caller.f_globals.get("__name__") == "napari.utils.events.event"


def module_of(frame: FrameType) -> str:
    """Its module in the package; that of the network has one name."""
    name = str(frame.f_globals["__name__"])[len(PACKAGE) :]
    return "network" if name.startswith(NETWORK) else name


def is_read(frame: FrameType) -> bool:
    """Whether the function is a property, a special method, or a method of a value."""
    name, of = frame.f_code.co_name, frame.f_locals.get("self", frame.f_locals.get("cls"))
    kind = of if isinstance(of, type) else type(of)
    frozen = getattr(getattr(kind, "__dataclass_params__", None), "frozen", False)
    is_property = isinstance(inspect.getattr_static(kind, name, None), property)
    return name.startswith("__") or is_property or frozen


def main() -> None:
    """Click once and print the path."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--all", action="store_true", help="list observers too")
    options = parser.parse_args()
    every = {call.edge: call for call in reversed(clicked(Trace())) if call.is_entry}
    entries = list(reversed(every.values()))
    path = [call for call in entries if call.is_on_path]
    for call in entries if options.all else path:
        print(f"{call.thread[:10]:<12}{before(call):<36}{call.module}: {call.function}")
    for what, calls in (("On the path", path), ("With observers", entries)):
        files = Counter(call.module for call in calls)
        print(f"{what}: {len(files)} files, {len(calls)} calls.")
    files = Counter(call.module for call in path).most_common()
    print("More than once:", ", ".join(f"{name} {count}" for name, count in files if count > 1))


def clicked(trace: Trace) -> list[Call]:
    """The calls of one click on a new object, with the model ready."""
    viewer = napari.Viewer()
    viewer.window.resize(1500, 950)
    viewer.add_image(samples.load("astronaut").image, rgb=True)
    _, dock = viewer.window.add_plugin_dock_widget(PLUGIN, WIDGET)
    driver = ViewerDriver(viewer, dock)
    driver.wait(lambda: dock.controller.is_prepared, PATIENCE)
    # Each thread profiles itself, and only now: loading torch under a profile takes minutes.
    driver.session._runner.do_when_idle(lambda: sys.setprofile(trace))
    driver.hover(200, 200)
    sys.setprofile(trace)
    trace.on = True
    driver.click(200, 200)
    driver.wait(lambda: not trace.on, PATIENCE)
    sys.setprofile(None)
    driver.wait_for_answer()
    viewer.close()
    driver.session.close(timeout=60)
    return trace.calls


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as choices:
        os.environ["NAPARI_CFR_ICL_CONFIG"] = choices
        os.environ["NAPARI_CFR_ICL_DATA"] = str(Path(choices) / "data")
        main()
