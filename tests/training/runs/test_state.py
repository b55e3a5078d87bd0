"""Checkpoints of runs that were begun with an earlier version of a network."""

from __future__ import annotations

import pytest

from napari_cfr_icl import zoo
from napari_cfr_icl._errors import OutputError
from napari_cfr_icl.training.options import TrainOptions
from napari_cfr_icl.training.runs.state import State
from napari_cfr_icl.training.steps.optimizer import make_optimizer
from training_goldens import GOLDEN


@pytest.mark.parametrize(
    "earlier",
    [
        lambda weights: {f"layers.{name}": weight for name, weight in weights.items()},
        lambda weights: dict(reversed(weights.items())),
    ],
    ids=["other names", "another order"],
)
def test_a_run_of_another_version_of_the_network_is_refused(earlier):
    """MobileSAM on timm's layers has both; its optimizer would move the wrong weights."""
    options, model = TrainOptions(), zoo.load(GOLDEN / "g_hrnet_w4s.pth")
    state = State(model, make_optimizer(model, options.optimizer), options, micro_batch=1)
    saved = state.saved()

    state.restore(saved)
    with pytest.raises(OutputError, match="another version of this network"):
        state.restore({**saved, "model": earlier(saved["model"])})
