from __future__ import annotations

from pathlib import Path

import pytest

from napari_cfr_icl._errors import SettingsError
from napari_cfr_icl.evaluation.protocol.options import (
    DatasetChoice,
    EvaluateOptions,
    Protocol,
    SampleOptions,
)

CHOICE = DatasetChoice(Path("data"))


@pytest.mark.parametrize(
    ("make", "complaint"),
    [
        (lambda: Protocol(max_clicks=0), "number of clicks must be at least 1, not 0"),
        (lambda: Protocol(thresholds=()), "at least one IoU"),
        (lambda: Protocol(thresholds=(0.8, 1.2)), r"at most 1, not 1\.2"),
        (lambda: Protocol(thresholds=(0.9,), target=0.8), "must not be below"),
        (lambda: Protocol(user="martian"), "no user 'martian'"),
        (lambda: SampleOptions(pictures=0), "number of pictures must be at least 1"),
        (lambda: SampleOptions(objects_per_picture=-1), "objects per picture must be at least 1"),
        (lambda: SampleOptions(seed=-1), "seed"),
        (lambda: EvaluateOptions((), Path("o"), ("m",)), "one of the datasets"),
        (lambda: EvaluateOptions((CHOICE,), Path("o"), ()), "one of the models"),
        (lambda: EvaluateOptions((CHOICE,), Path("o"), ("m", "m")), "models can be chosen once"),
        (
            lambda: EvaluateOptions((CHOICE,), Path("o"), ("m",), schemes=("cfr",)),
            "'cfr' is no inference scheme",
        ),
        (
            lambda: EvaluateOptions((CHOICE,), Path("o"), ("m",), precision="half"),
            "no precision 'half'; choose one of float32, bfloat16",
        ),
        (lambda: EvaluateOptions((CHOICE,), Path("o"), ("m",), worst=-1), "worst cases"),
    ],
)
def test_nonsense_is_refused_by_name(make, complaint):
    with pytest.raises(SettingsError, match=complaint):
        make()


def test_target_is_the_highest_threshold_unless_it_is_given():
    assert Protocol(thresholds=(0.95, 0.8)).stop_at == 0.95
    assert Protocol(thresholds=(0.8,), target=1.0).stop_at == 1.0
