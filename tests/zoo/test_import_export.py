import shutil

import pytest
import torch

from checkpoints import HRNET, VIT, same_weights, tiny
from golden_models import made_up_weights, public_shapes
from napari_cfr_icl._errors import InputError, ModelFileError, OutputError
from napari_cfr_icl.zoo import (
    ModelInfo,
    ModelStore,
    export,
    import_checkpoint,
    load,
    read_info,
    save,
)


@pytest.fixture
def store(tmp_path):
    return ModelStore(tmp_path / "models")


@pytest.mark.parametrize("source", [HRNET, VIT], ids=["hrnet", "vit"])
def test_an_imported_checkpoint_is_loaded_by_name_and_checked(store, source):
    assert import_checkpoint(source, "mine", store) == "mine"
    assert same_weights(load("mine", store), load(source))
    assert sorted(path.name for path in store.folder.iterdir()) == [
        "mine.safetensors",
        "mine.safetensors.sha256",
    ]
    info = read_info(store.path_of("mine"))
    assert (info.name, info.licence, info.trained_on) == ("mine", None, None)


def test_the_file_s_own_name_will_do(store, tmp_path):
    assert import_checkpoint(str(HRNET), store=store) == "g_hrnet_w4s"


@pytest.fixture
def ritm(tmp_path):
    """A file by the name and of the size of a published one."""
    weights = made_up_weights(public_shapes()["hrnet18s"], gain=1.0)
    path = tmp_path / "coco_lvis_h18s_itermask.pth"
    torch.save({"state_dict": weights}, path)
    return path


def test_a_published_file_gets_the_catalogue_s_name_and_credit(store, ritm):
    name = import_checkpoint(ritm, store=store)
    assert name == "ritm-hrnet18s-cocolvis"
    info = read_info(store.path_of(name))
    assert info.licence == "MIT"
    assert "Sofiiuk" in info.attribution
    assert info.trained_on == "COCO + LVIS"


def test_credit_follows_the_published_file_under_any_name(store, ritm):
    import_checkpoint(ritm, "mine", store)
    assert read_info(store.path_of("mine")).licence == "MIT"


def test_a_catalogue_name_is_not_given_to_a_network_of_another_size(store):
    with pytest.raises(ModelFileError, match=r"is not SimpleClick ViT-B .* a name of its own"):
        import_checkpoint(VIT, "simpleclick-vit-b-sbd", store)
    assert not store.folder.exists()


def test_a_taken_name_stays_with_its_owner(store):
    import_checkpoint(HRNET, "mine", store)
    with pytest.raises(InputError, match="taken already"):
        import_checkpoint(VIT, "mine", store)
    assert load("mine", store).architecture["family"] == "hrnet_ocr"


def test_a_file_that_is_no_model_changes_nothing(store, tmp_path):
    (tmp_path / "page.pth").write_text("<html>Sign in</html>")
    with pytest.raises(ModelFileError, match="a web page"):
        import_checkpoint(tmp_path / "page.pth", store=store)
    assert not store.folder.exists()


def test_what_a_model_says_of_itself_travels_along(store, tmp_path):
    model = tiny()
    told = ModelInfo("cells", model.architecture, "CC0", "us", "forty pictures", {"epochs": 3})
    save(model, tmp_path / "cells.safetensors", told)
    import_checkpoint(tmp_path / "cells.safetensors", "renamed", store)
    export("renamed", tmp_path / "out.safetensors", store)
    info = read_info(tmp_path / "out.safetensors")
    assert info == ModelInfo(
        "renamed", model.architecture, "CC0", "us", "forty pictures", {"epochs": 3}
    )
    assert same_weights(load(tmp_path / "out.safetensors"), model)


def test_the_shipped_model_goes_out_as_it_lies(store, tmp_path):
    path = export("hrnet18-cocolvis", tmp_path / "out.safetensors", store)
    shipped = store.path_of("hrnet18-cocolvis")
    assert path.read_bytes() == shipped.read_bytes()


def test_float32_takes_twice_the_room(store, tmp_path):
    path = export("hrnet18-cocolvis", tmp_path / "out.safetensors", store, dtype="float32")
    assert path.stat().st_size > 1.9 * store.path_of("hrnet18-cocolvis").stat().st_size
    assert same_weights(load(path), load("hrnet18-cocolvis", store))


def test_a_downloaded_checkpoint_goes_out_with_its_credit(store, ritm, tmp_path):
    store.folder.mkdir()
    shutil.move(ritm, store.folder)
    path = export("ritm-hrnet18s-cocolvis", tmp_path / "out.safetensors", store)
    assert "Sofiiuk" in read_info(path).attribution


def test_an_existing_file_is_replaced_only_if_that_is_wanted(store, tmp_path):
    path = tmp_path / "out.safetensors"
    path.write_text("precious")
    with pytest.raises(OutputError, match="exists already: choose another name"):
        export(HRNET, path, store)
    assert path.read_text() == "precious"
    export(HRNET, path, store, overwrite=True)
    assert same_weights(load(path), load(HRNET))
