from __future__ import annotations

import pytest
from safetensors import safe_open

from checkpoints import HRNET, same_weights
from napari_cfr_icl.cli.models import aligned
from napari_cfr_icl.zoo import CATALOGUE, DEFAULT_MODEL, load, read_info
from napari_cfr_icl.zoo.file_kinds import file_sha256
from published_model import NAME, site_with_model


@pytest.fixture
def site(monkeypatch):
    """A server that has the model NAME, and whose line may break."""
    with site_with_model(monkeypatch) as running:
        yield running


def line_of(result, name):
    [line] = [line for line in result.stdout.splitlines() if line.split()[:1] == [name]]
    return line


def test_list_names_every_model_and_its_licence(run, own_models):
    result = run("models", "list")
    assert result.exit_code == 0
    lines = {name: line_of(result, name) for name in CATALOGUE}
    assert "built in" in lines["hrnet18-cocolvis"]
    assert "Apache-2.0" in lines["hrnet18-cocolvis"]
    assert "no commercial use" in lines["cfr-icl-vit-h-cocolvis"]
    assert "to be fetched by hand" in lines["simpleclick-vit-b-sbd"]
    assert str(own_models) in result.stdout
    assert "default" in lines[DEFAULT_MODEL]
    by_hand = ["by hand" in line for line in result.stdout.splitlines()[1:] if line.strip()][:-1]
    assert by_hand == sorted(by_hand), "those that take work come last"


def test_download_then_use_by_name(run, site, own_models, image):
    assert "to be downloaded" in line_of(run("models", "list"), NAME)
    result = run("models", "download", NAME)
    path = own_models / "published.pth"
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == f"{NAME} is on this machine: {path}\n"
    assert file_sha256(path) == file_sha256(HRNET)
    assert "on this machine" in line_of(run("models", "list"), NAME)
    out = image.with_name("mask.tif")
    result = run("segment", image, "--model", NAME, "--click", "30,40,+", "--out", out)
    assert result.exit_code == 0
    assert out.exists()


def test_a_download_that_breaks_off_goes_on_where_it_was(run, site, own_models):
    site.files["/published.pth"].cuts = [500_000, 0]
    result = run("models", "download", NAME)
    assert result.exit_code == 2
    assert "broke off after 0.5 MB" in result.stderr
    assert not (own_models / "published.pth").exists()
    assert run("models", "download", NAME).exit_code == 0
    assert site.ranges()[-1] == "bytes=500000-"


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("simpleclick-vit-b-sbd", "can only be fetched by hand"),
        ("simpleclick", "There is no model called 'simpleclick'"),
    ],
)
def test_what_cannot_be_downloaded(run, name, sentence):
    result = run("models", "download", name)
    assert (result.exit_code, result.stdout) == (2, "")
    assert sentence in result.stderr


def test_import_then_export(run, own_models, tmp_path):
    result = run("models", "import", HRNET, "--name", "mine")
    assert result.stdout == f"{HRNET} can now be used as mine\n"
    assert "imported" in line_of(run("models", "list"), "mine")
    out = tmp_path / "mine.safetensors"
    assert run("models", "export", "mine", "--out", out).stdout == f"{out}\n"
    assert same_weights(load(out), load(HRNET))
    assert read_info(out).name == "mine"


def test_import_of_a_name_that_is_taken(run):
    assert run("models", "import", HRNET, "--name", "mine").exit_code == 0
    result = run("models", "import", HRNET, "--name", "mine")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "'mine' is taken already" in result.stderr


def test_export_goes_into_this_folder_and_replaces_nothing_unasked(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run("models", "export", HRNET).stdout == "g_hrnet_w4s.safetensors\n"
    before = (tmp_path / "g_hrnet_w4s.safetensors").read_bytes()
    result = run("models", "export", HRNET, "--dtype", "float16")
    assert result.exit_code == 2
    assert "exists already" in result.stderr
    assert (tmp_path / "g_hrnet_w4s.safetensors").read_bytes() == before
    assert run("models", "export", HRNET, "--dtype", "float16", "--overwrite").exit_code == 0
    with safe_open(tmp_path / "g_hrnet_w4s.safetensors", "np") as opened:
        assert {opened.get_slice(key).get_dtype() for key in opened.keys()} >= {"F16"}  # noqa: SIM118


def test_export_in_a_type_that_is_none(run, tmp_path):
    result = run("models", "export", HRNET, "--dtype", "int4", "--out", tmp_path / "m.safetensors")
    assert result.exit_code == 2
    assert "int4" in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_columns_begin_at_the_same_place():
    assert aligned([("a", "bb", "c"), ("aaa", "b", "")]) == ["a    bb  c", "aaa  b"]


def test_the_folder_of_models_is_said_and_chosen(run, own_models, tmp_path, monkeypatch):
    monkeypatch.setenv("NAPARI_CFR_ICL_CONFIG", str(tmp_path / "config"))
    assert run("models", "folder").stdout.strip() == str(own_models)
    monkeypatch.delenv("NAPARI_CFR_ICL_MODELS")
    default = run("models", "folder").stdout
    mine = tmp_path / "mine"
    assert run("models", "folder", mine).stdout.strip() == str(mine)
    assert f"lie in {mine}" in run("models", "list").stdout
    monkeypatch.setenv("NAPARI_CFR_ICL_MODELS", str(own_models))
    result = run("models", "folder", mine)
    assert result.stdout.strip() == str(own_models)
    assert result.stderr == "NAPARI_CFR_ICL_MODELS is set and comes first:\n"
    monkeypatch.delenv("NAPARI_CFR_ICL_MODELS")
    assert run("models", "folder", "--default").stdout == default
    result = run("models", "folder", mine, "--default")
    assert result.exit_code == 2
    assert "not both" in result.stderr
