"""Click a nucleus in an image of 10 gigapixels: only what lies around it is ever read."""

from dataclasses import replace

import numpy as np

from napari_cfr_icl import samples, zoo
from napari_cfr_icl.engine import Click, Predictor, Settings, Window

TILE = samples.load("nuclei").image


class Endless:
    """Stands for a Zarr or dask array: has a shape and can be sliced, and counts what is read."""

    shape = (100_000, 100_000)
    pixels_read = 0

    def __getitem__(self, index):
        rows, cols = (np.arange(part.start, min(part.stop, 100_000)) for part in index)
        self.pixels_read += rows.size * cols.size
        return TILE[np.ix_(rows % TILE.shape[0], cols % TILE.shape[1])]


image = Endless()
model = zoo.load("cfr-icl-mobilesam")
predictor = Predictor(model, replace(Settings.interactive(model), precision="float32"))

row, col = 126 * TILE.shape[0] + 107, 72 * TILE.shape[1] + 332
# What the user looks at is where the first click looks.
view = Window(row - 60, col - 60, 120, 120)
patch = predictor.predict(image, [Click(row, col)], view=view).mask()

print(f"{patch.values.sum()} pixels of an object, in {patch.window}")
print(f"{image.pixels_read} pixels read of {patch.image_shape[0] * patch.image_shape[1]}")
