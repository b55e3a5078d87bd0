"""The sentences of the dock: constants, and pure functions of the state.

A name in braces, such as {write}, stands for its key.
"""

from __future__ import annotations

from collections.abc import Sequence

from napari_cfr_icl.images.pixel_sizes import Sizes
from napari_cfr_icl.session.objects import ObjectState
from napari_cfr_icl.session.propagation import Report
from napari_cfr_icl.session.protocols import Answer, StepLike

LOADING = "Loading the model"
NO_IMAGE = "Open an image to begin."
NO_PLANE = "Switch to 2D and to a plane of the image to click on it."
GRID = "Leave the grid view (Ctrl+G): it draws clicks and mask in other cells than the image."
OTHER_TOOL = "Another layer or tool is chosen: clicks mark nothing now."
PAINT = "Paint or erase the mask with napari's tools; {write} writes it."
SHAPES = "Draw shapes around objects, or along them, and use those that are selected."
NO_SHAPE = "Draw a shape on this plane first."
HIDDEN_CLICKS = "The clicks layer is hidden: clicks mark nothing now."
OUTSIDE = "That was outside the image."
NOWHERE = "Clicks without a finite place (NaN or infinite) are left out."
OTHER_PIXELS = (
    "These labels have other pixels than the image: masks are fitted to them, "
    "and cut off where they end."
)
ELSEWHERE = "This object is on another plane: write it ({write}) or drop it ({drop}) first."
AWAY = "The object under way is on another plane: {write} writes it, {drop} drops it."
ONLY_BACKGROUND = "So far only background is marked: left click the object."
TORN = "The image was moved while you drew on it: draw once more."
GONE_IMAGE = "The image of this object is no longer there; drop it ({drop})."
RESHAPED = "The image has another shape now: click its objects anew."
NOTHING_TO_GRAB = "There is no object under the mouse in any labels layer that is shown."
GRAB_NOW = "Click the object that you want to correct."
STILL_WAITING = "The mask of this object is on its way; once more when it is there."
OTHER_LABELS = "That object is in other labels: only objects of one labels layer can be joined."
GONE_LABELS = (
    "The labels layer that this object came from is no longer there; "
    "undo ({undo}) or drop it ({drop})."
)
NOTHING_TO_CARRY = "There is no object to take along: click one first."
SPLIT = "Each channel is a layer now; the model sees those that are shown together."
FLAT = "This image has one plane only."
STACK_ENDS = "The stack ends here."
FILLING = "Filling planes; Cancel keeps what is done."

NOTHING_LEARNT = (
    "Nothing is finished here: click an object and press {write}, then {find} finds the rest."
)
SEARCHING = "Looking for others of the kind; a click on the picture or {find} stops it."
LOOKING = "Finding the rest"
NONE_ACCEPTED = (
    "No proposal is accepted: click those that are right, or {accept} for all above the slider."
)

_LOOP_ENDED = {
    "limit": "all steps done",
    "converged": "settled",
    "refused": "a step contradicted a click and was left out",
    "running": "going on",
}


_FILL_ENDED = {
    "done": "the last plane was reached",
    "ended": "the object ends there",
    "faded": "the object has faded on the next one",
    "changed": "the mask changed too much on the next one",
    "met": "the next one has the object already",
    "covered": "on the next one other objects cover it",
    "cancelled": "cancelled",
    "failed": "it failed on the next one",
}


def covered(image: str, cover: str) -> str:
    """The hint while another image hides the one to segment."""
    return f"{cover} covers {image}, which is worked on: choose {cover} as image, or hide it."


def on_disk(folder: str) -> str:
    """The question where labels are kept that are too large for the memory."""
    return f"The labels of this image are kept on the disk, in {folder}."


def holds_ids(labels: str, image: str) -> str:
    """The hint while an image layer holds ids of objects."""
    return f"{labels} holds whole numbers, as labels do, and lies on {image}: use it as its labels?"


def followed(labels: Sequence[str]) -> str:
    """The hint after the image was scaled, moved or turned."""
    return f"The image was moved: {_listed(['the clicks', *labels])} follow it."


def propagated(report: Report, start: int | None = None) -> str:
    """The outcome of a fill, or of a step to another plane.

    Parameters
    ----------
    report : Report
        The outcome.
    start : int, optional
        The plane where a fill began that went up and then down.
    """
    if not report.fills:
        faded = report.reason == "faded"
        return "The object ends here: " + (
            "it has faded on the next plane." if faded else "nothing was found on the next plane."
        )
    planes = "1 plane" if report.planes == 1 else f"{report.planes} planes"
    if start is None or len(report.ways) < 2:
        return f"Filled {planes}: {_FILL_ENDED[report.reason]}."
    (up, above), (down, below) = report.ways
    return (
        f"Filled {planes}. Up to {start + above}: {_FILL_ENDED[up]}. "
        f"Down to {start - below}: {_FILL_ENDED[down]}."
    )


def lost_sizes(name: str, sizes: Sizes) -> str:
    """The question after napari has opened a file without its pixel sizes."""
    told = ", ".join(f"{letter.lower()} {size:g} {unit}" for letter, (size, unit) in sizes.items())
    return f"napari has left out the pixel sizes of {name}: {told}."


def in_time(sentence: str) -> str:
    """A sentence about a stack and its planes in the words of a time series."""
    for spatial, temporal in (("stack", "time series"), ("plane", "frame"), ("Plane", "Frame")):
        sentence = sentence.replace(spatial, temporal)
    return sentence


def taken(count: int, size: int, other: int) -> str:
    """The hint on the pixels of a mask that are left to other objects.

    Parameters
    ----------
    count, size : int
        Pixels that belong to others, and all pixels of the mask.
    other : int
        The id of the object that has most of them.
    """
    correct = f"to correct object {other}, {{drop}} and then {{grab}} over it."
    if count == size:
        return f"All of this belongs to others, which are protected; {correct}"
    text = f"{count} of {size} px belong to others, which are protected; "
    return f"{text}{'{write} writes the rest.' if 2 * count < size else correct}"


def next_step(state: ObjectState, *, loading: str, found: bool, grabbed: str = "") -> str:
    """The hint on what to do next.

    Parameters
    ----------
    state : ObjectState
        The current object.
    loading : str
        Empty unless the model is being loaded: then for how long.
    found : bool
        Whether the mask has any pixel.
    grabbed : str
        Name of the finished object that is being corrected; empty for a new one.
    """
    if loading:
        return f"{loading}. Click already: the mask comes as soon as it is there."
    if state.is_empty:
        return "Click the object."
    if grabbed and (found or not state.clicks):
        return f"{grabbed}: correct it with clicks, {{write}} writes it, {{delete}} deletes it."
    if not state.clicks:
        return "Correct it with clicks, then {write} writes it."
    if not found and state.base is None and not any(click.positive for click in state.clicks):
        return ONLY_BACKGROUND
    if state.answer is not None and not found:
        return "Nothing was found there: click it once more, or zoom in and try again ({drop})."
    if state.others:
        count = len(state.others) + 1
        return f"{count} objects: correct the last with clicks; {{write}} writes them all."
    return "Correct it with more clicks, or press {write} to write it."


def seen(names: Sequence[str], projection: str = "") -> str:
    """The layers that the model sees together, and the projection of a thick slice."""
    if projection:
        return (
            f"The model sees the projection that is drawn ({projection} of {_listed(names)}); "
            "objects are written on the plane of the slider."
        )
    return f"The model sees {_listed(names)}."


def _listed(names: Sequence[str]) -> str:
    *most, last = names or [""]
    return f"{', '.join(most)} and {last}" if most else last


def outcome(answer: Answer) -> str:
    """The outcome of the inner loop: passes, time, and why it stopped."""
    took = in_seconds(sum(step.seconds for step in answer.trace))
    passes = f"{answer.passes} pass{'' if answer.passes == 1 else 'es'}, {took}"
    if answer.passes == 1 and answer.stopped == "limit":
        return f"{passes}: the method refines no more here."
    return f"{passes}: {_LOOP_ENDED.get(answer.stopped, answer.stopped)}."


def in_seconds(seconds: float) -> str:
    """A short time for people."""
    return f"{seconds:.1f} s" if seconds >= 1 else f"{seconds:.2f} s"


def written(label: int) -> str:
    """The hint after an object was written."""
    return f"Object {label} written. Click the next object."


def found(count: int, *, whole: bool) -> str:
    """The hint after a search for other objects, or after one that was stopped."""
    more = "" if whole else " {find} looks on."
    if not count:
        return f"Nothing like the finished objects was found.{more}"
    objects = "1 object" if count == 1 else f"{count} objects"
    return (
        f"Found {objects}: right click those that are wrong, then {{accept}} writes the rest "
        f"(left click and {{write}}: single ones).{more}"
    )


def found_written(count: int) -> str:
    """The hint after proposals were written."""
    objects = "1 object" if count == 1 else f"{count} objects"
    return f"{objects} written; {{undo}} takes them back. {{find}} looks again."


def split(parts: int) -> str:
    """The hint after an object was split."""
    return f"Split into {parts} objects; {{undo}} joins them again."


def last_change(trace: Sequence[StepLike]) -> str:
    """The pixels that the last refinement step changed, and the threshold."""
    if not trace or trace[-1].changed_pixels is None:
        return ""
    step = trace[-1]
    change = f"Step {step.index} changed {step.changed_pixels} px"
    if step.threshold_pixels is None:
        return f"{change}."
    return f"{change}; it stops below {step.threshold_pixels} px."
