import errno
import hashlib
import os
import socket

import pytest

from file_server import Site, serving
from napari_cfr_icl._errors import DownloadError
from napari_cfr_icl.zoo.transfer import fetch, remote_size

CONTENT = os.urandom(1_000_000)


@pytest.fixture
def site(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with serving() as running:
        yield running


@pytest.fixture
def target(tmp_path):
    return tmp_path / "model.pth"


def fine(path):
    return None


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def part_of(target, version='"v1"'):
    mark = hashlib.sha256(version.encode()).hexdigest()[:8]
    return target.with_name(f"{target.name}.{mark}.part")


def test_brings_the_file_and_reports_every_piece(site: Site, target):
    seen = []
    fetch(site.put("/m", CONTENT), target, fine, lambda done, total: seen.append((done, total)))
    assert target.read_bytes() == CONTENT
    assert names(target.parent) == ["model.pth"]
    assert seen[-1] == (1_000_000, 1_000_000)
    assert [done for done, _ in seen] == sorted({done for done, _ in seen})


def test_a_file_that_is_there_is_not_asked_for(site: Site, target):
    target.write_bytes(b"mine")
    fetch(site.put("/m", CONTENT), target, fine)
    assert target.read_bytes() == b"mine"
    assert site.requests == []


def test_a_broken_line_is_taken_up_where_it_broke(site: Site, target):
    fetch(site.put("/m", CONTENT, cuts=[300_000, 300_000]), target, fine)
    assert target.read_bytes() == CONTENT
    assert site.ranges() == [None, "bytes=300000-", "bytes=600000-"]


def test_a_line_that_stays_broken_leaves_a_part_that_the_next_call_completes(site: Site, target):
    url = site.put("/m", CONTENT, cuts=[400_000, 0])
    with pytest.raises(DownloadError, match=r"broke off after 0\.4 MB.*goes on from there"):
        fetch(url, target, fine)
    assert names(target.parent) == [part_of(target).name]
    fetch(url, target, fine)
    assert target.read_bytes() == CONTENT
    assert site.ranges()[-1] == "bytes=400000-"
    assert names(target.parent) == ["model.pth"]


def test_a_line_that_breaks_again_and_again_is_given_up(site: Site, target):
    with pytest.raises(DownloadError, match="broke off"):
        fetch(site.put("/m", CONTENT, cuts=[10_000] * 50), target, fine)
    assert len(site.requests) < 10
    assert 0 < part_of(target).stat().st_size < len(CONTENT)


def test_a_server_that_ignores_ranges_sends_it_all_again(site: Site, target):
    url = site.put("/m", CONTENT, cuts=[400_000], honours_range=False)
    fetch(url, target, fine)
    assert target.read_bytes() == CONTENT
    assert site.ranges() == [None, "bytes=400000-"]


def test_two_versions_of_a_file_are_never_joined(site: Site, target):
    url = site.put("/m", CONTENT, cuts=[400_000, 0])
    with pytest.raises(DownloadError):
        fetch(url, target, fine)
    newer = os.urandom(900_000)
    site.put("/m", newer, version="v2")
    fetch(url, target, fine)
    assert target.read_bytes() == newer
    assert names(target.parent) == ["model.pth"]


def test_a_complete_part_needs_only_its_name(site: Site, target):
    part_of(target).write_bytes(CONTENT)
    fetch(site.put("/m", CONTENT), target, fine)
    assert target.read_bytes() == CONTENT


def test_a_part_longer_than_the_file_is_thrown_away(site: Site, target):
    part_of(target).write_bytes(CONTENT + b"more")
    fetch(site.put("/m", CONTENT), target, fine)
    assert target.read_bytes() == CONTENT


def test_a_server_that_states_neither_length_nor_version_will_do(site: Site, target):
    seen = []
    url = site.put("/m", CONTENT, states_length=False, version=None)
    fetch(url, target, fine, lambda done, total: seen.append((done, total)))
    assert target.read_bytes() == CONTENT
    assert seen[-1] == (1_000_000, None)


def test_what_does_not_pass_the_check_is_thrown_away(site: Site, target):
    url = site.put("/m", CONTENT)
    with pytest.raises(DownloadError, match=r"not what it should be: it is a cake.*thrown away"):
        fetch(url, target, lambda path: "it is a cake")
    assert names(target.parent) == []


@pytest.mark.parametrize(
    ("status", "message"),
    [
        pytest.param(404, "no file at .* any more", id="missing"),
        pytest.param(410, "no file at .* any more", id="withdrawn"),
        pytest.param(403, "refuses .* firewall or a login", id="forbidden"),
        pytest.param(503, "in trouble .* later", id="overloaded"),
    ],
)
def test_a_refusal_says_what_to_do_and_keeps_what_arrived(site: Site, target, status, message):
    url = site.put("/m", CONTENT, cuts=[400_000, 0])
    with pytest.raises(DownloadError, match="broke off"):
        fetch(url, target, fine)
    site.put("/m", b"no", status=status, version=None, honours_range=False)
    with pytest.raises(DownloadError, match=message):
        fetch(url, target, fine)
    assert part_of(target).read_bytes() == CONTENT[:400_000]


def test_a_login_page_is_not_taken_for_a_file(site: Site, target):
    page = b"<!DOCTYPE html><title>Sign in</title>"
    url = site.put("/m", page, content_type="text/html; charset=utf-8")
    with pytest.raises(DownloadError, match="web page, as a login or a firewall does"):
        fetch(url, target, fine)
    assert names(target.parent) == []


def test_nobody_at_home(target):
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    with pytest.raises(DownloadError, match="cannot be reached: check the network"):
        fetch(f"http://127.0.0.1:{port}/m", target, fine)


def test_a_file_that_cannot_fit_on_the_disk_is_not_begun(site: Site, target):
    url = site.put("/m", CONTENT, announced=10**18)
    with pytest.raises(DownloadError, match=r"needs 1000000000000 MB, but the disk .* free"):
        fetch(url, target, fine)
    assert names(target.parent) == []


def test_a_disk_that_fills_up_on_the_way(site: Site, target):
    def fill_up(done, total):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    url = site.put("/m", CONTENT)
    with pytest.raises(DownloadError, match="is full: free some space"):
        fetch(url, target, fine, fill_up)
    assert names(target.parent) == [part_of(target).name]
    fetch(url, target, fine)
    assert target.read_bytes() == CONTENT


def test_a_folder_that_does_not_let_itself_be_written(site: Site, tmp_path):
    (tmp_path / "folder").write_text("a file, really")
    with pytest.raises(DownloadError, match=r"Nothing can be written into .*choose another folder"):
        fetch(site.put("/m", CONTENT), tmp_path / "folder" / "model.pth", fine)


def test_whoever_watches_may_cancel_and_go_on_later(site: Site, target):
    def stop(done, total):
        raise KeyboardInterrupt

    url = site.put("/m", CONTENT)
    with pytest.raises(KeyboardInterrupt):
        fetch(url, target, fine, stop)
    kept = part_of(target).stat().st_size
    assert kept > 0
    fetch(url, target, fine)
    assert target.read_bytes() == CONTENT
    assert site.ranges()[-1] == f"bytes={kept}-"


def test_the_size_of_a_remote_file(site: Site):
    url = site.put("/m", CONTENT)
    assert remote_size(url) == 1_000_000
    assert remote_size(site.url + "/nothing") is None
    assert site.ranges() == []
