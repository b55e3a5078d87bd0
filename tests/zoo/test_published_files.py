"""Models that go back to the programs they came from: keys, shapes, and the same answers."""

import pytest
import torch

from checkpoints import HRNET
from golden_models import GOLDEN, public_shapes, randomised
from napari_cfr_icl._errors import ModelFileError, OutputError
from napari_cfr_icl.zoo import ModelInfo, export, load, save
from napari_cfr_icl.zoo.key_maps import published_weights
from sam_goldens import sam_network

FORMATS = GOLDEN / "sam" / "formats"
MOBILE = {"family": "mobile_sam", "full_decoder": True}
CLICK = torch.tensor([[[40.0, 60.0, 0.0], [-1.0, -1.0, -1.0]]])


def shapes(content):
    """Names, with those of what they lie in, and shapes of all tensors."""
    found = {}
    for name, value in content.items():
        if isinstance(value, dict):
            found |= {(name, *rest): shape for rest, shape in shapes(value).items()}
        elif isinstance(value, torch.Tensor):
            found[(name,)] = (tuple(value.shape), value.dtype)
    return found


def kept(model, tmp_path):
    path = tmp_path / "tuned.safetensors"
    save(model, path, ModelInfo("tuned", model.architecture))
    return path


def answer(model):
    picture = torch.rand(1, 3, 64, 96, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        return model(picture, torch.full((1, 1, 64, 96), 0.3), CLICK)


@pytest.mark.parametrize("dtype", [None, "float16"])
def test_mobile_sam_has_every_key_and_shape_of_the_published_file(tmp_path, dtype):
    model, out = randomised(MOBILE), tmp_path / "back.pt"
    export(kept(model, tmp_path), out, dtype=dtype)
    written = torch.load(out, weights_only=True)
    wanted = public_shapes()["mobile_sam"]
    assert {key: list(value.shape) for key, value in written.items()} == {
        key: list(shape) for key, (shape, _) in wanted.items()
    }
    assert written["mask_decoder.mask_tokens.weight"].dtype == getattr(torch, dtype or "float32")
    if dtype is None:
        assert torch.equal(answer(load(out)), answer(model))


def test_sam_has_every_key_and_shape_of_the_published_file(tmp_path):
    out = tmp_path / "back.pth"
    export(FORMATS / "vit_b_lora.pt", out)
    stand_in = torch.load(FORMATS / "vit_b_lm", weights_only=True)
    assert shapes(torch.load(out, weights_only=True)) == shapes(stand_in)
    merged = load(FORMATS / "vit_b_lora.pt").state_dict()
    assert all(torch.equal(value, merged[key]) for key, value in load(out).state_dict().items())


@pytest.mark.parametrize(
    ("name", "source"),
    [
        pytest.param("export_with_decoder.pt", "sam_vit_b", marks=pytest.mark.slow),
        pytest.param("sam2.1_hiera_tiny.pt", "sam2.1_hiera_tiny", marks=pytest.mark.slow),
        ("hvit_t_cells", "sam2.1_hiera_tiny"),
    ],
)
def test_like_another_file_all_else_in_it_is_kept(tmp_path, name, source):
    model, out = sam_network(source), tmp_path / "back.pt"
    export(kept(model, tmp_path), out, like=FORMATS / name)
    before = torch.load(FORMATS / name, weights_only=True)
    after = torch.load(out, weights_only=True)
    assert shapes(after) == shapes(before)
    assert after.get("model_type") == before.get("model_type")
    again = load(out).state_dict()
    assert all(torch.equal(again[key], value) for key, value in model.state_dict().items())
    own = published_weights(model)
    for place, (shape, _) in shapes(before).items():
        if place[-1] not in own and "." in place[-1]:
            parts = before, after
            for key in place:
                parts = tuple(part[key] for part in parts)
            assert torch.equal(*parts), (place, shape)


def test_a_training_checkpoint_gives_its_decoder_and_no_leftovers(tmp_path):
    out = tmp_path / "back.pt"
    export(FORMATS / "vit_b_lm", out, like=FORMATS / "best.pt")
    written = torch.load(out, weights_only=True)
    assert set(written) == {"model_state", "decoder_state"}
    assert all(key.startswith("sam.") for key in written["model_state"])
    load(out)


@pytest.mark.parametrize(
    ("architecture", "name", "like", "why"),
    [
        (MOBILE | {"full_decoder": False}, "x.pth", None, "a decoder of one mask"),
        (MOBILE | {"outline": True}, "x.pth", None, "changed for clicks .outline."),
        (MOBILE, "x.pth", "vit_b_lm", "is of another network: it has no such"),
        (MOBILE, "x.pth", "vit_b_lm_decoder", "holds no network"),
        (None, "x.pth", None, "Only networks of SAM's family"),
    ],
)
def test_what_no_other_program_can_use_is_refused(tmp_path, architecture, name, like, why):
    source = HRNET if architecture is None else kept(randomised(architecture), tmp_path)
    with pytest.raises(ModelFileError, match=why):
        export(source, tmp_path / name, like=None if like is None else FORMATS / like)
    assert not (tmp_path / name).exists()


def test_sam_2_needs_the_file_that_it_came_from(tmp_path):
    with pytest.raises(ModelFileError, match="weights for videos too"):
        export(FORMATS / "hvit_t_cells", tmp_path / "x.pth")


def test_our_own_format_is_like_no_other(tmp_path):
    with pytest.raises(OutputError, match="leave --like out"):
        export(HRNET, tmp_path / "x.safetensors", like=HRNET)
