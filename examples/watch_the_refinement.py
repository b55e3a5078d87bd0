"""See what Cascade-Forward Refinement does between two clicks: pass by pass, until it settles."""

from dataclasses import replace

from napari_cfr_icl import samples, zoo
from napari_cfr_icl.engine import Click, Predictor, Settings

sample = samples.load("astronaut")
model = zoo.load("hrnet18-cocolvis")

# At most six steps after the first pass, fewer once a step changes less than 100 pixels.
settings = Settings.paper(model).with_inference("a-cfr-6")
refinement = replace(settings.refinement, threshold_pixels=100)
predictor = Predictor(model, replace(settings, refinement=refinement))

# Whoever leaves the loop early interrupts the refinement; the last prediction counts.
for prediction in predictor.steps(sample.image, [Click(337, 172)]):
    step = prediction.trace[-1]
    changed = "first mask" if step.changed_pixels is None else f"{step.changed_pixels} changed"
    print(f"pass {step.index}: {changed}, {1000 * step.seconds:.0f} ms, {prediction.stopped}")
