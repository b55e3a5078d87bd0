"""The converted model, against logits that PaddlePaddle computed from the published weights."""

from pathlib import Path

import numpy as np
import pytest
import torch
from skimage.data import astronaut

from napari_cfr_icl.zoo import CATALOGUE, ModelStore, load, read_info
from napari_cfr_icl.zoo.file_kinds import file_sha256

MODEL = "hrnet18-cocolvis"
REFERENCE = Path(__file__).parents[1] / "data" / "hrnet18_cocolvis_reference.npz"
PATH = CATALOGUE[MODEL].embedded_path


@pytest.fixture(scope="module")
def reference():
    with np.load(REFERENCE) as file:
        return dict(file)


@pytest.fixture(scope="module")
def logits():
    """What it makes of one click on the face of the astronaut: (400, 400)."""
    picture = torch.from_numpy(astronaut()[:400, :400].copy())
    image = picture.permute(2, 0, 1).unsqueeze(0) / 255
    points = torch.tensor([[[120.0, 220.0, 0.0], [-1.0, -1.0, -1.0]]])
    with torch.inference_mode():
        return load(MODEL)(image, torch.zeros(1, 1, 400, 400), points)[0, 0].numpy()


def test_it_is_the_file_that_was_converted():
    assert file_sha256(PATH) == CATALOGUE[MODEL].sha256


def test_it_says_where_it_comes_from_and_on_which_terms(tmp_path):
    info = read_info(ModelStore(tmp_path).path_of(MODEL))
    assert info.name == MODEL
    assert info.licence == "Apache-2.0"
    assert "EISeg" in info.attribution
    assert info.training["converted_from"].startswith("paddlelabel-ml==1.0.0:")
    assert info.dtype == "float16"


def test_its_logits_are_those_of_the_original_but_for_float16(logits, reference):
    # Measured: 0.0060 at most and 0.0012 on average, on logits from -3.1 to 5.2.
    apart = np.abs(logits[::4, ::4] - reference["logits_s4"][0, 0])
    assert apart.max() < 0.008
    assert apart.mean() < 0.0015


def test_its_mask_is_that_of_the_original_but_for_float16(logits, reference):
    # Measured: 131 of 160 000 pixels, where the original itself is undecided.
    expected = np.unpackbits(reference["mask"], axis=-1).astype(bool)
    flipped = (logits > 0) != expected
    assert flipped.sum() < 200
    assert np.abs(logits[flipped]).max() < 0.008
