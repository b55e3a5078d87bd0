"""Images of ids, which a user opened as pictures, on the images that they belong to."""

from __future__ import annotations

from weakref import WeakKeyDictionary

from napari.components import LayerList
from napari.layers import Image

from napari_cfr_icl.gui.layers.channels import cover_of, lies_on
from napari_cfr_icl.gui.layers.label_conversion import looks_like_labels


class IdImages:
    """Finds them; each image is examined once."""

    def __init__(self) -> None:
        self._known: WeakKeyDictionary[Image, tuple[object, bool]] = WeakKeyDictionary()

    def found(self, image: Image, layers: LayerList) -> tuple[Image, Image] | None:
        """An image of ids on another one, and that one; one of the two is `image`."""
        cover = cover_of(image, layers)
        if cover is not None and self._holds_ids(cover):
            return cover, image
        others = [
            layer
            for layer in reversed(layers)
            if isinstance(layer, Image) and layer is not image and lies_on(image, layer)
        ]
        if others and self._holds_ids(image):
            return next(((image, one) for one in others if not self._holds_ids(one)), None)
        return None

    def _holds_ids(self, layer: Image) -> bool:
        known = self._known.get(layer)
        if known is None or known[0] is not layer.data:
            known = self._known[layer] = layer.data, looks_like_labels(layer)
        return known[1]
