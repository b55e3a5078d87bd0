"""Correct an object in labels from elsewhere (Cellpose, StarDist, last year), and keep the rest."""

from dataclasses import replace

import numpy as np

from napari_cfr_icl import samples, zoo
from napari_cfr_icl.engine import Click, Predictor, Settings

sample = samples.load("astronaut")
labels = sample.labels.copy()
labels[:200][labels[:200] == 1] = 0  # somebody lost the upper part of object 1

model = zoo.load("cfr-icl-mobilesam")
# For a single click, looking for the quickest arithmetic takes longer than it saves.
settings = replace(Settings.interactive(model), precision="float32")
predictor = Predictor(model, settings)

truth, before = sample.labels == 1, labels == 1
after = predictor.predict(sample.image, [Click(64, 232)], previous=before).mask()

# Only the window that was looked at is written, and no pixel of another object.
box = labels[after.window.slices]
box[(box == 1) & ~after.values] = 0
box[(box == 0) & after.values] = 1

for name, mask in (("before", before), ("after", labels == 1)):
    print(f"IoU {name}: {np.sum(mask & truth) / np.sum(mask | truth):.3f}")
