import pytest

from napari_cfr_icl import _paths
from napari_cfr_icl.zoo import ModelStore


@pytest.fixture(autouse=True)
def own_machine(tmp_path, monkeypatch):
    monkeypatch.setenv("NAPARI_CFR_ICL_CONFIG", str(tmp_path / "config"))
    monkeypatch.delenv("NAPARI_CFR_ICL_MODELS", raising=False)


def test_the_chosen_folder_of_models_is_kept_until_the_variable_says_otherwise(
    tmp_path, monkeypatch
):
    default = ModelStore().folder
    _paths.choose_models_folder(tmp_path / "mine")
    assert ModelStore().folder == tmp_path / "mine"
    monkeypatch.setenv("NAPARI_CFR_ICL_MODELS", str(tmp_path / "shared"))
    assert ModelStore().folder == tmp_path / "shared"
    monkeypatch.delenv("NAPARI_CFR_ICL_MODELS")
    _paths.choose_models_folder(None)
    assert ModelStore().folder == default
    assert not list((tmp_path / "config").iterdir())


def test_a_relative_folder_is_the_same_from_everywhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    _paths.choose_models_folder(_paths.Path("here"))
    monkeypatch.chdir("/")
    assert _paths.models_folder() == tmp_path / "here"


@pytest.mark.parametrize(
    "content", [b"", b"  \n", b"\xff\xfe\x00"], ids=["empty", "blank", "bytes"]
)
def test_a_damaged_choice_is_none(tmp_path, content):
    default = _paths.models_folder()
    _paths.choose_models_folder(tmp_path)
    (tmp_path / "config" / "models-folder.txt").write_bytes(content)
    assert _paths.models_folder() == default
