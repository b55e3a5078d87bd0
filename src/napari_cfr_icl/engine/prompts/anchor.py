"""A click on the object for a mask that is corrected by clicks on its background alone."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import distance_transform_edt

from napari_cfr_icl.engine.clicks import Click, Clicks
from napari_cfr_icl.engine.windows import Patch


def anchored(clicks: Clicks, mask: Patch, threshold: float) -> Clicks:
    """The clicks, and before them one deep in the mask if none of them is on the object.

    SAM and its kin learned masks together with a click on the object. From a mask and clicks on the
    background alone they keep a random part: of two nuclei in one label, one of them clicked away,
    cfr-icl-mobilesam kept the other with a mean IoU of 0.16, and with this click of 0.96.

    Parameters
    ----------
    clicks : Clicks
        In pixels of the image.
    mask : Patch
        Probabilities, 0 to 1.
    threshold : float
        Probability above which a pixel is in the mask.

    Returns
    -------
    Clicks
        The click lies where the distance from the mask's edge and from every click on the
        background is largest; there is none where the mask is empty.
    """
    if clicks.positives:
        return clicks
    inside = Patch(mask.values > threshold, mask.window, mask.image_shape)
    bounds = inside.bounds()
    if bounds is None:
        return clicks
    free = np.pad(inside.read(bounds), 1)
    for click in clicks:
        row, col = round(click.row) - bounds.top + 1, round(click.col) - bounds.left + 1
        if 0 <= row < free.shape[0] and 0 <= col < free.shape[1]:
            free[row, col] = False
    if not free.any():
        return clicks
    deepest = divmod(int(np.argmax(distance_transform_edt(free))), free.shape[1])
    return Clicks([Click(deepest[0] - 1 + bounds.top, deepest[1] - 1 + bounds.left), *clicks])
