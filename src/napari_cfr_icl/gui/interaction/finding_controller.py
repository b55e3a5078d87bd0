"""Search for objects like the finished ones: proposals are shown, judged and written."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from napari.utils.colormaps import Colormap

from napari_cfr_icl._errors import MaskError, OutputError
from napari_cfr_icl.engine.finding.proposals import Exemplars, Proposal, SearchProgress
from napari_cfr_icl.engine.windows import Patch, Window, enclosing
from napari_cfr_icl.gui.interaction.bindings import MouseMode
from napari_cfr_icl.gui.interaction.presenter import Presenter
from napari_cfr_icl.gui.interaction.workspace import Workspace, plane_of
from napari_cfr_icl.gui.layers.finished_objects import objects_in, taken_in
from napari_cfr_icl.gui.layers.label_target import LabelStore
from napari_cfr_icl.gui.layers.planes import LayerPlane
from napari_cfr_icl.gui.layers.proposal_layer import ProposalLayer
from napari_cfr_icl.gui.threads.activity import Activity
from napari_cfr_icl.gui.threads.main_thread_bridge import MainThreadBridge
from napari_cfr_icl.gui.views import messages
from napari_cfr_icl.gui.views.find_panel import FindPanel
from napari_cfr_icl.gui.widgets.single_shot import single_shot
from napari_cfr_icl.session.judged import JudgedProposals
from napari_cfr_icl.session.labels import SMALL_PLANE, doubled, reaches_edge, writing_all
from napari_cfr_icl.session.objects import ObjectState, Scene
from napari_cfr_icl.session.search import FinderLike, Searcher, SearchRequest
from napari_cfr_icl.session.session import Session

LARGEST_SIDE = 2048
"""Side in pixels of what is searched at a time of a larger plane."""

DRAW_PAUSE = 100
"""Milliseconds between two drawings while proposals are coming in."""

CERTAINTIES = 0.2, 0.7
"""Certainties of the outlines in the two purest colours."""

ACCEPTED, REJECTED = "#ffffff", "#808080"
_SURE = Colormap([[1.0, 0.2, 0.9, 1.0], [1.0, 0.9, 0.1, 1.0]])


class FindingController:
    """Starts searches, shows their proposals, and writes those that the user accepts.

    Parameters
    ----------
    panel : FindPanel
        The buttons, the slider and the progress.
    session : Session
        Whose thread runs the search, and whose history has what is written.
    workspace : Workspace
        The image, the labels and the planes.
    presenter : Presenter
        Shows hints and errors.
    make : callable
        Makes the finder, in the network's thread.
    home : callable
        Returns the labels for objects of a plane that lie in a window of it.

    Attributes
    ----------
    mode : MouseMode
        Has clicks judge while there are proposals; set by the owner.
    """

    mode: MouseMode

    def __init__(
        self,
        panel: FindPanel,
        session: Session,
        workspace: Workspace,
        presenter: Presenter,
        make: Callable[[], FinderLike],
        home: Callable[[LayerPlane, Window | None], LabelStore],
    ) -> None:
        self._panel = panel
        self._session = session
        self._workspace = workspace
        self._presenter = presenter
        self._home = home
        self._bridge = MainThreadBridge(panel)
        self.search = Searcher(session.do_when_idle, make, self._bridge.arrived.emit)
        self._bridge.connect(self.search.receive)
        self.found = JudgedProposals()
        self.layer = ProposalLayer(workspace.viewer)
        self._request: SearchRequest | None = None
        self._scene: Scene | None = None
        self._last: tuple[Scene, Exemplars] | None = None
        self._is_done = False
        self._drawn: object = None
        self._activity = Activity(self.search.stop, panel)
        self._draw = single_shot(panel, DRAW_PAUSE, self.show)
        self._connect()

    def _connect(self) -> None:
        panel, session, workspace = self._panel, self._session, self._workspace
        panel.find_requested.connect(self.find)
        panel.accept_requested.connect(self.accept_all)
        panel.stop_requested.connect(self.search.stop)
        panel.certainty_changed.connect(self._on_certainty_changed)
        session.busy_changed.connect(self._on_busy_changed)
        session.object_changed.connect(self._on_changed)
        workspace.labels_changed.connect(self._on_changed)
        workspace.image_changed.connect(self._on_image_changed)
        workspace.image_moved.connect(self._on_image_moved)
        self.search.stepped.connect(self._on_stepped)
        self.search.ended.connect(self._on_ended)

    def close(self) -> None:
        """Stop the search and take the proposals off the screen. Touches no widget."""
        self._session.busy_changed.disconnect(self._on_busy_changed)
        self._session.object_changed.disconnect(self._on_changed)
        self._workspace.labels_changed.disconnect(self._on_changed)
        self._workspace.image_changed.disconnect(self._on_image_changed)
        self._workspace.image_moved.disconnect(self._on_image_moved)
        self.search.ended.disconnect()
        self.search.stop()
        self._bridge.close()
        self._activity.close()
        self.layer.remove()

    def find(self) -> None:
        """Search for others, or stop the search that is under way."""
        if self.search.is_under_way:
            self.search.stop()
        else:
            self._presenter.attempt(self._find)

    def accept_all(self) -> None:
        """Write all proposals that are certain enough and not rejected."""
        certainty = self._panel.certainty
        self._presenter.attempt(lambda: self._write(self.found.accepted(certainty)))

    def write_accepted(self) -> None:
        """Write the proposals that the user has accepted one by one."""
        accepted = self.found.accepted()
        if accepted:
            self._write(accepted)
        elif self.found.shown(self._panel.certainty):
            self._presenter.say(messages.NONE_ACCEPTED)

    def judge(self, world: Sequence[float], good: bool) -> Callable[[], None] | None:
        """The action of a click: accept or reject a proposal; None where there is none."""
        index = self._under(world)
        return None if index is None else partial(self._judge, index, good)

    def correct(self, world: Sequence[float]) -> bool:
        """Make a proposal the current object, to be corrected; False where there is none."""
        index = self._under(world)
        if index is None or self._request is None:
            return False
        mask = self.found.proposals[index].mask
        self._session.take(ObjectState(self._request.scene, base=mask))
        return True

    def dismiss(self) -> None:
        """Forget all proposals that are not written."""
        self.search.stop()
        self.found, self._request = JudgedProposals(), None
        self.mode.judge = None
        self.show()

    def show(self) -> None:
        """Show the proposals that are left, if their image is there."""
        request, image = self._request, self._workspace.image
        if request is not None and (image is None or request.scene.plane[0] != image.unique_id):
            self.dismiss()
            return
        self.found.hide(self._taken(), self._session.state.base)
        shown = self.found.shown(self._panel.certainty)
        verdicts = [self.found.verdict(index) for index in shown]
        self._panel.show_counts(len(shown), verdicts.count(True), verdicts.count(False))
        if request is None or image is None:
            self.layer.remove()
            return
        plane, masks = request.scene.plane[1], self.found.masks(shown)
        drawn = plane, list(map(id, masks)), verdicts
        if drawn != self._drawn or self.layer.layer is None:
            self._drawn = drawn
            self.layer.show(masks, [self._colour(index) for index in shown], image, plane)

    def _find(self) -> None:
        plane, state = self._workspace.plane, self._session.state
        if plane is None or state.is_waiting:
            self._presenter.say(messages.NO_PLANE if plane is None else messages.STILL_WAITING)
            return
        if not state.is_empty:
            self._session.write(self._home(plane_of(state), None))
        scene = self._scene_of(plane)
        before = self._request if self._request and self._request.scene is scene else None
        region = self._region(plane, before)
        if before is None or before.region == region:
            self.found.begin_anew()
        exemplars = self._exemplars_for(scene, region)
        if exemplars is None:
            self._presenter.say(messages.NOTHING_LEARNT)
            return
        self._last = scene, exemplars
        self._request = SearchRequest(
            scene, exemplars, [each.mask for each in self.found.proposals], region
        )
        self.mode.judge = self.judge
        self._begin(self._request)

    def _begin(self, request: SearchRequest) -> None:
        self._panel.show_progress(0, 0)
        self._activity.show(messages.LOOKING, 0, 0)
        self._presenter.insist(messages.SEARCHING)
        self.show()
        self.search.begin(request)

    def _scene_of(self, plane: LayerPlane) -> Scene:
        """The plane for the search; the same one until its pixels change."""
        image = self._workspace.image
        if image is None or self._scene is None or self._scene.plane != (image.unique_id, plane):
            self._scene = self._workspace.scene(plane)
        return self._scene

    def _region(self, plane: LayerPlane, before: SearchRequest | None) -> Window:
        """The part to search: of a large plane what is on the screen, more with each search."""
        whole = Window.whole(plane.shape)
        if whole.height * whole.width <= SMALL_PLANE:
            return whole
        view = _middle_of(self._workspace.view or whole, LARGEST_SIDE)
        if before is None or view.intersection(before.region) != view:
            return view
        if not self._is_done or len(before.exemplars.rejected) < len(self.found.rejected):
            return before.region
        wider = _middle_of(doubled(before.region), 2 * LARGEST_SIDE).intersection(whole)
        return wider or view

    def _exemplars_for(self, scene: Scene, region: Window) -> Exemplars | None:
        """Finished objects in the region, or else the exemplars of the search before."""
        accepted = self.found.masks(self.found.accepted())
        finished = self._finished(scene.plane[1], region)
        whole = Window.whole(scene.shape)
        inside = [mask for mask in finished if not reaches_edge(mask.window, region, whole)]
        rejected = self.found.rejected
        if finished or accepted:
            return Exemplars([*(inside or finished), *accepted], rejected)
        if self._last is None or self._last[0].plane[0] != scene.plane[0]:
            return None
        before, exemplars = self._last
        if before.plane == scene.plane:
            return Exemplars(exemplars.examples, rejected)
        return replace(exemplars, source=exemplars.source or before.source)

    def _finished(self, plane: LayerPlane, region: Window) -> list[Patch]:
        if self._workspace.labels is None:
            return []
        # Labels that do not reach this plane say so when something is written.
        with suppress(OutputError):
            return objects_in(self._workspace.store(plane), region, plane.shape)
        return []

    def _taken(self) -> Patch | None:
        """The pixels of finished objects around the proposals."""
        request, masks = self._request, [each.mask for each in self.found.proposals]
        if request is None or not masks or self._workspace.labels is None:
            return None
        box = enclosing([mask.window for mask in masks])
        with suppress(OutputError):
            plane = request.scene.plane[1]
            return taken_in(self._workspace.store(plane), box, plane.shape)
        return None

    def _write(self, indices: Sequence[int]) -> None:
        """Write proposals as new objects: one step for undo."""
        if self._request is None or not indices:
            return
        masks = self.found.masks(indices)
        box = enclosing([mask.window for mask in masks])
        store = self._home(self._request.scene.plane[1], box)
        protect = self._session.protect
        edit = writing_all(store, masks, store.next_label(), protect=protect)
        if edit is None:
            raise MaskError("There is nothing to write: other objects cover the proposals.")
        self._session.take(self._session.state, [edit])
        self.show()
        self._presenter.insist(messages.found_written(len(masks)))

    def _under(self, world: Sequence[float]) -> int | None:
        """The proposal at a point in world coordinates, while no object is under way."""
        image, request = self._workspace.image, self._request
        if image is None or request is None or not self._session.state.is_empty:
            return None
        plane = self._workspace.plane
        if plane is None or request.scene.plane != (image.unique_id, plane):
            return None
        where = plane.at(np.asarray(image.world_to_data(world)))
        return None if where is None else self.found.at(*where, self._panel.certainty)

    def _judge(self, index: int, good: bool) -> None:
        self.found.judge(index, good=good)
        self.show()

    def _colour(self, index: int) -> Any:
        verdict = self.found.verdict(index)
        if verdict is not None:
            return ACCEPTED if verdict else REJECTED
        least, most = CERTAINTIES
        return _SURE.map((self.found.proposals[index].certainty - least) / (most - least))[0]

    def _on_stepped(self, outcome: Proposal | SearchProgress) -> None:
        if isinstance(outcome, Proposal):
            self.found.add(outcome)
            self._on_changed()
        else:
            self._panel.show_progress(outcome.done, outcome.total)
            self._activity.show(messages.LOOKING, outcome.done, outcome.total)

    def _on_ended(self, outcome: object) -> None:
        self._is_done = outcome is None
        self._panel.show_end()
        self._activity.end()
        self.show()
        if isinstance(outcome, Exception):
            self._presenter.show_trouble(outcome)
        elif self._request is not None:
            count = len(self.found.shown(self._panel.certainty))
            whole = self._is_done and self._request.region.shape == self._request.scene.shape
            self._presenter.insist(messages.found(count, whole=whole))

    def _on_changed(self, *_: object) -> None:
        """Draw soon: not once for each of many changes, and not while one is being made."""
        if self._request is not None and not self._draw.isActive():
            self._draw.start()

    def _on_certainty_changed(self, _: float) -> None:
        self._on_changed()

    def _on_busy_changed(self, busy: bool) -> None:
        if busy:
            self.search.stop()

    def _on_image_moved(self, _: object) -> None:
        self._drawn = None
        self._on_changed()

    def _on_image_changed(self) -> None:
        self._scene = None


def _middle_of(window: Window, side: int) -> Window:
    """At most `side` rows and columns from the middle of a window."""
    return window.about(*(min(side, length) for length in window.shape))
