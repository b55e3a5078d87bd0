import subprocess
import sys
from pathlib import Path

import pytest

from napari_cfr_icl._errors import InputError, ModelError, ModelFileError, UnknownModelError
from napari_cfr_icl.zoo import CATALOGUE, DEFAULT_MODEL, ModelStore
from napari_cfr_icl.zoo.file_kinds import file_sha256

RITM = "ritm-hrnet18s-cocolvis"
RITM_FILE = "coco_lvis_h18s_itermask.pth"


@pytest.fixture
def store(tmp_path):
    return ModelStore(tmp_path / "models")


def put(store, file_name, content=b"weights"):
    store.folder.mkdir(exist_ok=True)
    path = store.folder / file_name
    path.write_bytes(content)
    store.record(path, file_sha256(path))
    return path


def test_the_folder_is_the_one_given_then_the_variable_then_the_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("NAPARI_CFR_ICL_MODELS", str(tmp_path / "by variable"))
    assert ModelStore(tmp_path / "given").folder == tmp_path / "given"
    assert ModelStore().folder == tmp_path / "by variable"
    monkeypatch.delenv("NAPARI_CFR_ICL_MODELS")
    assert ModelStore().folder.parts[-2:] == ("napari-cfr-icl", "models")


def test_a_home_may_be_written_as_a_tilde():
    assert ModelStore("~/models").folder == Path.home() / "models"


def test_looking_makes_no_folder(store):
    assert store.path_of(RITM) is None
    assert store.own_names() == []
    assert not store.folder.exists()


def test_the_shipped_model_is_always_there(store):
    assert store.checked_path(DEFAULT_MODEL) == CATALOGUE[DEFAULT_MODEL].embedded_path


def test_a_published_file_is_found_under_its_publisher_s_name(store):
    path = put(store, RITM_FILE)
    assert store.path_of(RITM) == store.checked_path(RITM) == path


def test_a_file_put_there_by_hand_is_found_without_a_record(store):
    store.folder.mkdir()
    (store.folder / RITM_FILE).write_bytes(b"by hand")
    assert store.checked_path(RITM).read_bytes() == b"by hand"


def test_an_imported_file_is_found_by_its_name(store):
    path = put(store, "my-cells.safetensors")
    assert store.own_names() == ["my-cells"]
    assert store.checked_path("my-cells") == path


def test_a_changed_file_is_not_used(store):
    path = put(store, RITM_FILE)
    path.write_bytes(b"tampered")
    with pytest.raises(ModelFileError, match=r"changed or damaged. Remove it and fetch it again"):
        store.checked_path(RITM)


def test_the_record_is_what_sha256sum_reads(store):
    path = put(store, RITM_FILE)
    line = path.with_name(path.name + ".sha256").read_text()
    assert line == f"{file_sha256(path)}  {RITM_FILE}\n"


@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        pytest.param(RITM, ModelError, f"models download {RITM}", id="downloadable"),
        pytest.param(
            "simpleclick-vit-h-sbd",
            ModelError,
            "by hand: get sbd_vit_huge.pth from https://drive.* models import FILE --name simple",
            id="by-hand",
        ),
        pytest.param("nothing", UnknownModelError, "no model called 'nothing'", id="unknown"),
    ],
)
def test_what_is_not_here_is_told_how_to_get(store, name, error, message):
    with pytest.raises(error, match=message):
        store.checked_path(name)


@pytest.mark.parametrize("name", ["", "../up", "a/b", "a b", ".hidden", "a.safetensors", "ä"])
def test_a_name_that_is_no_file_name_is_refused(store, name):
    with pytest.raises(InputError, match="cannot be the name of a model: use letters"):
        store.new_path(name)


@pytest.mark.parametrize("name", [DEFAULT_MODEL, "my-cells"])
def test_a_taken_name_is_refused(store, name):
    put(store, "my-cells.safetensors")
    with pytest.raises(InputError, match="is taken already"):
        store.new_path(name)


def test_removing_takes_the_record_along(store):
    put(store, RITM_FILE)
    store.remove(RITM)
    assert list(store.folder.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "message"),
    [(DEFAULT_MODEL, "ships with the package"), (RITM, "is not in")],
)
def test_only_what_is_in_the_folder_can_be_removed(store, name, message):
    with pytest.raises(ModelError, match=message):
        store.remove(name)
    assert store.path_of(DEFAULT_MODEL).is_file()


LIGHT = ["", ".catalog", ".store", ".listing"]


@pytest.mark.parametrize("module", [*LIGHT, ".downloading", ".format"])
def test_what_a_dock_needs_to_open_loads_no_torch(module):
    code = f"import napari_cfr_icl.zoo{module}, sys; print('torch' in sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "False"


@pytest.mark.parametrize("module", LIGHT)
def test_what_a_dock_needs_to_open_loads_nothing_of_the_network(module):
    code = f"import napari_cfr_icl.zoo{module}, sys; print('requests' in sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "False"
