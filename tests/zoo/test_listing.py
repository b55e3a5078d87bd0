import shutil

import pytest

from checkpoints import HRNET, tiny
from napari_cfr_icl._errors import ModelError
from napari_cfr_icl.zoo import (
    CATALOGUE,
    ModelInfo,
    ModelStore,
    available,
    import_checkpoint,
    load,
    save,
)
from napari_cfr_icl.zoo.listing import ModelState


@pytest.fixture
def store(tmp_path):
    return ModelStore(tmp_path / "models")


def by_name(store):
    return {status.name: status for status in available(store)}


def test_a_fresh_machine_has_the_shipped_models_and_knows_the_others(store):
    listed = by_name(store)
    assert list(listed) == list(CATALOGUE)
    assert {name: status.state for name, status in listed.items() if status.path} == {
        "cfr-icl-hrnet18": ModelState.BUILT_IN,
        "cfr-icl-mobilesam": ModelState.BUILT_IN,
        "hrnet18-cocolvis": ModelState.BUILT_IN,
    }
    assert listed["ritm-hrnet32-cocolvis"].state is ModelState.DOWNLOADABLE
    assert listed["ritm-hrnet32-cocolvis"].size == 119_000_000
    assert listed["simpleclick-vit-h-sbd"].state is ModelState.BY_HAND
    assert listed["simpleclick-vit-h-sbd"].size is None
    assert listed["simpleclick-vit-xtiny"].trained_on is None
    assert not store.folder.exists()


def test_a_downloaded_model_has_its_true_size(store):
    store.folder.mkdir()
    (store.folder / "sbd_h18_itermask.pth").write_bytes(b"12345")
    status = by_name(store)["ritm-hrnet18-sbd"]
    assert (status.state, status.size) == (ModelState.DOWNLOADED, 5)


def test_a_model_of_one_s_own_comes_last_with_what_it_says_of_itself(store):
    model = tiny()
    info = ModelInfo("cells", model.architecture, "CC0", "us", "forty pictures")
    save(model, store.folder / "cells.safetensors", info)
    import_checkpoint(HRNET, "unknown", store)
    *_, cells, unknown = available(store)
    assert (cells.name, cells.state) == ("cells", ModelState.IMPORTED)
    assert (cells.licence, cells.source, cells.trained_on) == ("CC0", "us", "forty pictures")
    assert (unknown.licence, unknown.trained_on) == (None, None)


def test_a_damaged_file_is_listed_with_what_is_wrong(store):
    store.folder.mkdir()
    (store.folder / "broken.safetensors").write_bytes(b"oops")
    status = by_name(store)["broken"]
    assert "damaged" in status.notes
    assert status.licence is None


def test_what_micro_sam_keeps_is_found(store, tmp_path, monkeypatch):
    monkeypatch.setenv("MICROSAM_CACHEDIR", str(tmp_path / "micro_sam"))
    kept = tmp_path / "micro_sam" / "models"
    kept.mkdir(parents=True)
    for name in ("vit_b_lm", "vit_b_lm_decoder", "mine", "mine_decoder.pt"):
        shutil.copy(HRNET, kept / name)
    (kept / "notes.txt").write_text("not a model")
    (kept / "embeddings").mkdir()
    listed = available(store)
    found = {status.name: status for status in listed if status.state is ModelState.FOUND}
    assert list(found) == ["micro-sam-vit-b-lm", str(kept / "mine")]
    assert found["micro-sam-vit-b-lm"].path == kept / "vit_b_lm"
    assert found["micro-sam-vit-b-lm"].licence == "CC-BY-4.0"
    assert found[str(kept / "mine")].title == "mine"
    for name in found:
        assert load(name, store).architecture == load(HRNET).architecture
    with pytest.raises(ModelError, match="nothing was removed"):
        store.remove("micro-sam-vit-b-lm")
