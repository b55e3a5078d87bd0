import errno
import io
import os

import py7zr
import pytest

from napari_cfr_icl._errors import DownloadError
from napari_cfr_icl.zoo.unpack import unpack

CONTENT = os.urandom(500_000)


def volumes_of(folder, members, count=3):
    """Write a 7z archive in volumes, as `7z -v` does: the archive cut into pieces."""
    whole = io.BytesIO()
    with py7zr.SevenZipFile(whole, "w") as archive:
        for name, content in members.items():
            archive.writef(io.BytesIO(content), name)
    packed = whole.getvalue()
    step = -(-len(packed) // count)
    paths = [folder / f"model.pth.7z.{number:03d}" for number in range(1, count + 1)]
    for number, path in enumerate(paths):
        path.write_bytes(packed[number * step : (number + 1) * step])
    return paths


def fine(path):
    return None


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("count", [1, 3, 7])
def test_volumes_become_the_file(tmp_path, count):
    seen = []
    volumes = volumes_of(tmp_path, {"model.pth": CONTENT}, count)
    unpack(volumes, tmp_path / "m.pth", fine, lambda done, total: seen.append((done, total)))
    assert (tmp_path / "m.pth").read_bytes() == CONTENT
    assert names(tmp_path) == ["m.pth"]
    assert seen[-1] == (500_000, 500_000)


def test_the_largest_file_is_the_checkpoint_wherever_it_lies(tmp_path):
    members = {"readme.txt": b"hello", "folder/any name": CONTENT}
    unpack(volumes_of(tmp_path, members), tmp_path / "m.pth", fine)
    assert (tmp_path / "m.pth").read_bytes() == CONTENT
    assert names(tmp_path) == ["m.pth"]


@pytest.mark.parametrize("volume", [0, 1, 2], ids=["first", "middle", "last"])
def test_a_damaged_volume_leaves_nothing(tmp_path, volume):
    volumes = volumes_of(tmp_path, {"model.pth": CONTENT})
    content = bytearray(volumes[volume].read_bytes())
    # Near the end: in the last volume that hits the archive's table of contents.
    content[-20] ^= 0xFF
    volumes[volume].write_bytes(content)
    with pytest.raises(DownloadError, match=r"damaged.*thrown away: start the download again"):
        unpack(volumes, tmp_path / "m.pth", fine)
    assert names(tmp_path) == []


def test_a_short_volume_leaves_nothing(tmp_path):
    volumes = volumes_of(tmp_path, {"model.pth": CONTENT})
    volumes[1].write_bytes(volumes[1].read_bytes()[:-1000])
    with pytest.raises(DownloadError, match="damaged"):
        unpack(volumes, tmp_path / "m.pth", fine)
    assert names(tmp_path) == []


def test_an_empty_archive_leaves_nothing(tmp_path):
    with pytest.raises(DownloadError, match="damaged"):
        unpack(volumes_of(tmp_path, {}, 1), tmp_path / "m.pth", fine)
    assert names(tmp_path) == []


def test_what_does_not_pass_the_check_leaves_nothing(tmp_path):
    volumes = volumes_of(tmp_path, {"model.pth": CONTENT})
    with pytest.raises(DownloadError, match="not what it should be: it is a cake"):
        unpack(volumes, tmp_path / "m.pth", lambda path: "it is a cake")
    assert names(tmp_path) == []


def test_a_full_disk_keeps_the_volumes(tmp_path):
    def fill_up(done, total):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    volumes = volumes_of(tmp_path, {"model.pth": CONTENT})
    with pytest.raises(DownloadError, match="is full: free some space"):
        unpack(volumes, tmp_path / "m.pth", fine, fill_up)
    assert names(tmp_path) == [volume.name for volume in volumes]
    unpack(volumes, tmp_path / "m.pth", fine)
    assert (tmp_path / "m.pth").read_bytes() == CONTENT


def test_cancelling_keeps_the_volumes(tmp_path):
    def stop(done, total):
        raise KeyboardInterrupt

    volumes = volumes_of(tmp_path, {"model.pth": CONTENT})
    with pytest.raises(KeyboardInterrupt):
        unpack(volumes, tmp_path / "m.pth", fine, stop)
    assert names(tmp_path) == [volume.name for volume in volumes]
