"""Click an astronaut's suit out of a photo, correct the mask with a second click, and save it."""

import numpy as np
import tifffile

from napari_cfr_icl import samples, zoo
from napari_cfr_icl.engine import Click, Predictor

sample = samples.load("astronaut")
truth = sample.labels == 1

predictor = Predictor(zoo.load("cfr-icl-mobilesam"))
clicks = [Click(337, 172), Click(493, 248)]  # (row, column)
prediction = None
for count in range(1, len(clicks) + 1):
    # Handed over, the last prediction lets the object go on from there.
    prediction = predictor.predict(sample.image, clicks[:count], previous=prediction)
    mask = prediction.mask().full()
    overlap = np.sum(mask & truth) / np.sum(mask | truth)
    print(f"{count} clicks: {mask.sum()} pixels, IoU {overlap:.3f}")

tifffile.imwrite("mask.tif", mask.astype(np.uint8), compression="zlib")
