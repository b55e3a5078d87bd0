"""SAM and SAM 2 against the published code's numbers, and its shortcuts against the long way."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from timm.models.vision_transformer_sam import Attention

from golden_models import randomised
from napari_cfr_icl.engine.clicks import Click
from napari_cfr_icl.engine.models import build
from napari_cfr_icl.engine.models import sam_vit as sam_vit_module
from napari_cfr_icl.engine.models.click_model import BOX_CORNER
from napari_cfr_icl.engine.models.mask_choice import chosen_masks, stability
from napari_cfr_icl.engine.models.sam_vit import RelativeAttention
from napari_cfr_icl.engine.passes import stretched
from napari_cfr_icl.engine.predictor import Predictor
from napari_cfr_icl.engine.prompts.gestures import Box
from napari_cfr_icl.engine.prompts.prompt import prompt_of
from napari_cfr_icl.engine.runtime.arithmetic import run_in
from napari_cfr_icl.engine.settings import Settings
from napari_cfr_icl.engine.windows import Window
from sam_goldens import fitted, previous_mask, prompt, recorded, sam_network

TINY_VIT = {"family": "sam_vit", "dim": 32, "depth": 4, "num_heads": 2, "image_size": 256}
TINY_SAM2 = {
    "family": "sam2",
    "width": 16,
    "stages": [1, 1, 2, 1],
    "num_heads": 1,
    "global_blocks": [3],
}
TINY_MOBILE = {"family": "mobile_sam", "full_decoder": True}
EVERY = pytest.mark.parametrize(
    "architecture", [TINY_VIT, TINY_SAM2, TINY_MOBILE], ids=lambda each: each["family"]
)
SIZED = {
    "sam2_tiny_512": ("sam2.1_hiera_tiny", 512),
    "sam_vit_b": ("sam_vit_b", 1024),
}
CLICK = torch.tensor([[[40.0, 60.0, 0.0], [-1.0, -1.0, -1.0]]])


@pytest.fixture(scope="module", autouse=True)
def no_gradients():
    with torch.inference_mode():
        yield


def picture(rows, cols):
    return torch.rand(1, 3, rows, cols, generator=torch.Generator().manual_seed(rows + cols))


@pytest.fixture(
    scope="module",
    params=["sam2_tiny_512", pytest.param("sam_vit_b", marks=pytest.mark.slow)],
)
def golden(request):
    expected = recorded(request.param)
    name, side = SIZED[request.param]
    model = sam_network(name, float(expected["gain"]))
    square, scale = fitted(expected["image"], side, stretched=name.startswith("sam2"))
    return model, model.encode(square), scale, expected, side


def test_features_are_those_of_the_published_code(golden):
    _, features, _, expected, _ = golden
    np.testing.assert_allclose(features[0][:, ::4, ::4, ::4], expected["embedding_s4"], atol=1e-4)
    if len(features) > 1:
        _, middle, fine = features
        np.testing.assert_allclose(fine[:, ::4, ::16, ::16], expected["high_res_0_s"], atol=1e-4)
        np.testing.assert_allclose(middle[:, ::8, ::8, ::8], expected["high_res_1_s"], atol=1e-4)


@pytest.mark.parametrize("name", ["p1", "p2", "p3"])
def test_all_masks_and_qualities_are_those_of_the_published_code(golden, name):
    model, features, scale, expected, side = golden
    given = torch.tensor([name == "p3"])
    logits, quality = model.masks(features, prompt(name, scale), previous_mask(side // 4), given)
    np.testing.assert_allclose(logits[0, :, ::4, ::4], expected[f"{name}_all_lowres_s4"], atol=1e-4)
    np.testing.assert_allclose(quality[0], expected[f"{name}_all_iou"], atol=1e-5)
    if f"{name}_stability" in expected:
        np.testing.assert_allclose(stability(logits[0]), expected[f"{name}_stability"], atol=1e-6)


def test_the_whole_image_preset_gives_the_masks_of_the_published_code(golden):
    model, _, _, expected, side = golden
    model.input_size = side
    settings = Settings.whole_image(model)
    first, alone = expected["p1_multi_mask_packed"], expected["p2_single_mask_packed"][0]
    best = first[int(np.argmax(expected["p1_all_iou"][1:]))]
    second = Click(150.25, 40.5, False)
    for clicks, packed in (([Click(72, 130)], best), ([Click(72, 130), second], alone)):
        found = Predictor(model, settings, "cpu").predict(expected["image"], clicks).mask()
        mask = found.read(Window.whole(found.image_shape))
        theirs = np.unpackbits(packed, axis=-1).astype(bool)[:, : mask.shape[1]]
        # Logits come to the image in two steps here, in one there, which moves the edges of these
        # ragged masks a little.
        assert np.mean(mask != theirs) < 0.01


def test_contrast_is_stretched_as_micro_sam_does_it():
    grey = torch.linspace(0.2, 0.6, 10_000).view(1, 1, 100, 100)
    flat = torch.full((1, 1, 100, 100), 0.3)
    one = torch.cat([grey, grey / 2, flat], dim=1)
    assert stretched(one, "shown") is one
    whole = stretched(one, "min-max")
    torch.testing.assert_close(whole[:, 0], whole[:, 1])
    assert (whole[:, 0].min(), whole[:, 0].max(), whole[:, 2].max()) == (0, 1, 0)
    middle = stretched(one, "percentiles")[0, 0].flatten()
    assert int((middle == 0).sum()) == pytest.approx(200, abs=2)
    assert int((middle == 1).sum()) == pytest.approx(200, abs=2)


def test_an_unstable_single_mask_gives_way_to_the_best_alternative():
    expected = recorded("stability")
    logits, quality = (torch.from_numpy(expected[name]) for name in ("logits", "quality"))
    np.testing.assert_allclose(stability(logits[:, 0]), expected["stability"], atol=1e-6)
    later = torch.zeros(len(logits), dtype=torch.bool)
    for choice in ("stable", "best-first-stable"):
        assert chosen_masks(logits, quality, later, choice).tolist() == expected["chosen"].tolist()


@pytest.mark.parametrize(
    ("choice", "at_first", "later"),
    [
        ("single", 0, 0),
        ("best", 2, 2),
        ("best-first", 2, 0),
        ("stable", 2, 2),
        ("best-first-stable", 2, 2),
    ],
)
def test_the_policy_chooses_the_mask(choice, at_first, later):
    faint = torch.zeros(1, 4, 8, 8)  # as unstable as can be
    quality = torch.tensor([[0.9, 0.2, 0.8, 0.7]])
    for first, wanted in ((True, at_first), (False, later)):
        assert chosen_masks(faint, quality, torch.tensor([first]), choice).item() == wanted


@EVERY
def test_the_best_of_three_is_taken_at_a_first_click_alone(architecture):
    model = randomised(architecture)
    model.mask_choice = "best-first"
    image, previous = picture(128, 128), torch.rand(1, 1, 128, 128)
    features = model.encode(image)
    two = torch.cat([CLICK, torch.tensor([[[90.0, 90.0, 1.0], [-1.0, -1.0, -1.0]]])], dim=1)[
        :, [0, 2, 1, 3]
    ]
    single = model.choosing("single")
    for points, mask, same in (
        (CLICK, 0 * previous, False),
        (two, 0 * previous, True),
        (CLICK, previous, True),
    ):
        one, other = model.decode(features, mask, points), single.decode(features, mask, points)
        assert torch.equal(one, other) is same
    best = model.choosing("best")
    assert torch.equal(
        best.decode(features, 0 * previous, CLICK), model.decode(features, 0 * previous, CLICK)
    )


@EVERY
def test_a_box_is_a_prompt(architecture):
    model = randomised(architecture)
    features, none = model.encode(picture(128, 128)), torch.full((1, 4), -1.0)
    mask, given = torch.zeros(1, 1, 32, 32), torch.tensor([False])

    def logits(boxes, points=CLICK):
        return model.masks(features, points, mask, given, boxes)[0]

    torch.testing.assert_close(logits(none), logits(None), rtol=1e-4, atol=1e-4)
    one = logits(torch.tensor([[20.0, 30.0, 90.0, 100.0]]))
    other = logits(torch.tensor([[20.0, 30.0, 60.0, 100.0]]))
    assert not torch.allclose(one, other)
    assert not torch.allclose(one, logits(None))


@EVERY
@pytest.mark.parametrize("mirrored", [False, True])
def test_a_drawn_box_reaches_the_network_as_its_corners(architecture, mirrored):
    model = randomised(architecture)
    seen = []
    masks = model.masks

    def watched(features, points, mask, given, boxes=None):
        seen.append((points, given, boxes))
        return masks(features, points, mask, given, boxes)

    model.masks = watched
    image = picture(128, 128)[0].permute(1, 2, 0).numpy()
    zoom = replace(Settings.whole_image(model).zoom, target=256)
    settings = replace(Settings.whole_image(model), zoom=zoom, padding="none", flip=mirrored)
    predictor, drawn = Predictor(model, settings, "cpu"), prompt_of(Box(70, 30, 20, 90), (128, 128))
    first = predictor.predict(image, drawn.clicks, drawn.previous, drawn.view)
    wrong = Click(64, 64, positive=False)
    predictor.predict(image, drawn.clicks.added(wrong), first)

    (alone, given, boxes), (points, given_later, later) = seen
    assert not given.any()
    assert (alone == -1).all()
    assert boxes[0].tolist() == [40, 60, 140, 180]
    assert torch.equal(later, boxes)
    assert given_later[0] == (first.probabilities.values.max() > 0)
    assert points[0].tolist() == [[-1, -1, -1], [-1, -1, -1], [128, 128, 0], [-1, -1, -1]]
    if mirrored:
        assert boxes[1].tolist() == [40, 256 - 180 - 1, 140, 256 - 60 - 1]


@EVERY
def test_a_box_is_not_ambiguous(architecture):
    model = randomised(architecture)
    features, none = model.encode(picture(128, 128)), torch.zeros(1, 1, 128, 128)
    corners = torch.tensor([[[20.0, 30.0, BOX_CORNER], [90.0, 100.0, BOX_CORNER]]])
    single = model.choosing("single").decode(features, none, corners)
    assert torch.equal(model.choosing("best-first").decode(features, none, corners), single)
    assert not torch.equal(model.choosing("best").decode(features, none, corners), single)


def test_a_box_beside_a_click_in_one_batch_changes_nothing():
    model = randomised(TINY_VIT)
    image, none = picture(128, 128).expand(2, -1, -1, -1), torch.zeros(2, 1, 128, 128)
    corners = torch.tensor([[[20.0, 30.0, BOX_CORNER], [90.0, 100.0, BOX_CORNER]]])
    together = model.decode(model.encode(image), none, torch.cat([CLICK, corners]))
    for index, points in enumerate((CLICK, corners)):
        alone = model.decode(model.encode(image[:1]), none[:1], points)
        torch.testing.assert_close(together[index : index + 1], alone, rtol=1e-4, atol=1e-4)


def test_beside_a_box_sam_has_no_padding_and_sam2_has():
    boxes, nothing = torch.tensor([[1.0, 2.0, 30.0, 40.0]]), torch.full((1, 2, 3), -1.0)
    for architecture, there in ((TINY_VIT, False), (TINY_SAM2, True)):
        encoder = randomised(architecture).prompt_encoder
        _, empty = encoder.tokens(nothing, (64, 64), boxes)
        assert empty.tolist() == [[True, True, False, False, not there]]


@EVERY
@pytest.mark.parametrize("asked", [(128, 128), (60, 250), (333, 200)], ids=str)
def test_any_size_that_it_names_is_taken(architecture, asked):
    model = randomised(architecture)
    rows, cols = model.nearest_size(*asked)
    assert rows % model.stride == cols % model.stride == 0
    assert model(picture(rows, cols), None, CLICK).shape == (1, 1, rows, cols)


@pytest.mark.parametrize("size", [(14, 14), (16, 16), (8, 24)], ids=str)
@pytest.mark.parametrize("scores", [1, 20_000, 1 << 24])
def test_attention_in_slices_is_that_of_timm(size, scores, monkeypatch):
    monkeypatch.setattr(sam_vit_module, "_SLICE", scores)
    torch.manual_seed(0)
    theirs = Attention(32, 4, use_rel_pos=True, input_size=(16, 16))
    for positions in (theirs.rel_pos_h, theirs.rel_pos_w):
        positions.normal_()
    x = torch.randn(2, *size, 32)
    torch.testing.assert_close(RelativeAttention(theirs)(x), theirs(x), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("architecture", [TINY_VIT, TINY_SAM2], ids=["sam_vit", "sam2"])
def test_bfloat16_stays_near_float32(architecture):
    model = randomised(architecture)
    image, previous = picture(128, 160), torch.rand(1, 1, 128, 160)
    expected = model(image, previous, CLICK)
    logits = run_in(model, "bfloat16")(image, previous, CLICK)
    assert 0 < float((logits - expected).pow(2).mean().sqrt() / expected.std()) < 0.1


@pytest.mark.parametrize(
    ("architecture", "wrong", "message"),
    [
        (TINY_VIT, {"depth": 5}, "depth 5 is no multiple of 4"),
        (TINY_VIT, {"num_heads": 5}, "dim 32 is not a multiple"),
        (TINY_VIT, {"image_size": 100}, "image_size 100"),
        (TINY_SAM2, {"stages": [1, 2]}, "stages must be four numbers"),
        (TINY_SAM2, {"num_heads": 3}, "width 16 is no multiple"),
        (TINY_SAM2, {"windows": [8, 4, 0, 7]}, "windows must be a whole number above 0"),
    ],
)
def test_an_impossible_description_is_refused(architecture, wrong, message):
    with pytest.raises(ValueError, match=message):
        build({**architecture, **wrong})


@EVERY
def test_networks_with_several_masks_are_refined_on_demand_only(architecture):
    settings = Settings.interactive(build(architecture))
    assert settings.refinement.steps == 0
    assert settings.with_inference("cfr-1").refinement.steps == 1
    assert Settings.interactive(build({"family": "mobile_sam"})).refinement.steps == 1
