from safetensors import safe_open

from golden_models import public_shapes, randomised
from napari_cfr_icl.zoo import ModelInfo, load, save

ARCHITECTURE = {"family": "mobile_sam", "detail": False, "image_size": 448}


def test_a_file_has_the_names_of_the_published_checkpoint(tmp_path):
    model = randomised(ARCHITECTURE)
    path = tmp_path / "model.safetensors"
    save(model, path, ModelInfo("own", model.architecture))
    with safe_open(path, framework="pt") as file:
        names = set(file.keys())
    public = public_shapes()["mobile_sam"]
    assert names == {key for key in public if not key.startswith(model.dead_keys)}
    assert "image_encoder.layers.1.downsample.conv2.c.weight" in names

    again = load(path).state_dict()
    assert all((again[key] == weight).all() for key, weight in model.state_dict().items())
