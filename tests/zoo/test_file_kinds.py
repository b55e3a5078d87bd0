import zipfile

import pytest
from safetensors.numpy import save

from napari_cfr_icl.zoo.file_kinds import FileKind, file_sha256, find_damage, kind_of


def stored_zip(path, content=b"weights " * 100):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data/0", content)
    return path


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        pytest.param(b"PK\x03\x04rest", FileKind.TORCH_ZIP, id="zip"),
        pytest.param(b"\x80\x02\x8a\nl\xfc", FileKind.TORCH_LEGACY, id="pickle"),
        pytest.param(save({}), FileKind.SAFETENSORS, id="safetensors"),
        pytest.param(b"7z\xbc\xaf\x27\x1c\x00\x04", FileKind.ARCHIVE_7Z, id="7z"),
        pytest.param(b"\n <!DOCTYPE HTML><p>Sign in", FileKind.WEB_PAGE, id="page"),
        pytest.param(b"\xef\xbb\xbf<html>", FileKind.WEB_PAGE, id="page-with-byte-order-mark"),
        pytest.param(b"Not found\r\n", FileKind.TEXT, id="text"),
        pytest.param(b"sixteen {brackets", FileKind.TEXT, id="text-with-a-brace"),
        pytest.param("Zürich".encode(), FileKind.TEXT, id="text-not-ascii"),
        pytest.param(b"", FileKind.EMPTY, id="empty"),
        pytest.param(b"\x89HDF\r\n\x1a\n", FileKind.OTHER, id="hdf5"),
    ],
)
def test_kind_is_seen_in_the_content_whatever_the_name(tmp_path, content, kind):
    path = tmp_path / "model.pth"
    path.write_bytes(content)
    assert kind_of(path) is kind


def test_a_folder_is_one(tmp_path):
    assert kind_of(tmp_path) is FileKind.FOLDER


def test_a_whole_checkpoint_has_no_damage(tmp_path):
    assert find_damage(stored_zip(tmp_path / "m.pth")) is None


def test_one_changed_byte_is_found_without_a_published_checksum(tmp_path):
    path = stored_zip(tmp_path / "m.pth")
    content = bytearray(path.read_bytes())
    content[200] ^= 1
    path.write_bytes(content)
    assert "archive/data/0 fails its checksum" in find_damage(path)


@pytest.mark.parametrize("kept", [10, 200, 700])
def test_a_cut_off_checkpoint_is_found(tmp_path, kept):
    path = stored_zip(tmp_path / "m.pth")
    path.write_bytes(path.read_bytes()[:kept])
    assert "damaged or incomplete" in find_damage(path)


def test_something_else_is_named(tmp_path):
    path = tmp_path / "m.pth"
    path.write_bytes(b"<html>log in</html>")
    assert find_damage(path) == "it is a web page, such as a login or an error page"


def test_checksum(tmp_path):
    path = tmp_path / "m"
    path.write_bytes(b"abc")
    expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert file_sha256(path) == expected
