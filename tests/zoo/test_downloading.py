import io
from pathlib import Path

import py7zr
import pytest
from filelock import FileLock

from file_server import serving
from napari_cfr_icl import zoo
from napari_cfr_icl._errors import DownloadError, ModelError, ModelFileError, UnknownModelError
from napari_cfr_icl.zoo import CATALOGUE, ModelStore, download
from napari_cfr_icl.zoo.file_kinds import file_sha256
from published_model import FILE, NAME, entry_of

CHECKPOINT = Path(__file__).parents[1] / "data" / "golden" / "g_hrnet_w4s.pth"
CONTENT = CHECKPOINT.read_bytes()


def changed(content):
    """Turn one bit over, amid the weights."""
    half = len(content) // 2
    return content[:half] + bytes([content[half] ^ 1]) + content[half + 1 :]


@pytest.fixture
def site(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with serving() as running:
        yield running


@pytest.fixture
def store(tmp_path):
    return ModelStore(tmp_path / "models")


@pytest.fixture
def publish(monkeypatch):
    """Put an entry into the catalogue for the time of the test."""

    def put(*urls, **known):
        monkeypatch.setitem(CATALOGUE, NAME, entry_of(*urls, **known))

    return put


def visible(store):
    return sorted(path.name for path in store.folder.iterdir() if not path.name.startswith("."))


def volumes(site, count=3):
    """Serve the checkpoint as a 7z archive in volumes."""
    whole = io.BytesIO()
    with py7zr.SevenZipFile(whole, "w") as archive:
        archive.writef(io.BytesIO(CONTENT), FILE)
    packed = whole.getvalue()
    step = -(-len(packed) // count)
    pieces = [packed[at : at + step] for at in range(0, len(packed), step)]
    return [
        site.put(f"/{FILE}.7z.{number:03d}", piece) for number, piece in enumerate(pieces, start=1)
    ]


def test_a_model_comes_once_and_is_then_loaded_without_any_network(store, publish, monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with serving() as site:
        publish(site.put("/" + FILE, CONTENT), size=len(CONTENT))
        path = download(NAME, store)
    # The server is gone now.
    assert download(NAME, store) == path
    assert path.read_bytes() == CONTENT
    assert zoo.load(NAME, store).architecture["width"] == 4
    assert visible(store) == [FILE, FILE + ".sha256"]


def test_the_first_checksum_is_kept_and_compared_ever_after(site, store, publish):
    publish(site.put("/" + FILE, CONTENT))
    path = download(NAME, store)
    assert file_sha256(CHECKPOINT) in path.with_name(FILE + ".sha256").read_text()
    path.write_bytes(changed(CONTENT))
    with pytest.raises(ModelFileError, match="changed or damaged"):
        zoo.load(NAME, store)


def test_a_broken_line_is_taken_up_again_by_the_next_call(site, store, publish):
    publish(site.put("/" + FILE, CONTENT, cuts=[700_000, 0]))
    with pytest.raises(DownloadError, match=r"broke off after 0\.7 MB"):
        download(NAME, store)
    (part,) = visible(store)
    assert part.endswith(".part")
    assert download(NAME, store).read_bytes() == CONTENT
    assert site.ranges()[-1] == "bytes=700000-"


@pytest.mark.parametrize(
    ("content", "known", "message"),
    [
        pytest.param(b"<html>Sign in</html>", {}, "it is a web page", id="login"),
        pytest.param(b"", {}, "it is an empty file", id="empty"),
        pytest.param(b"Rate limit exceeded", {}, "it is a text file", id="text"),
        pytest.param(CONTENT[:-9], {}, "damaged or incomplete", id="short"),
        pytest.param(changed(CONTENT), {}, "fails its checksum", id="wrong-bytes"),
        pytest.param(
            CONTENT, {"sha256": "0" * 64}, "checksum is not the published one", id="other-version"
        ),
        pytest.param(CONTENT, {"size": 38_800_000}, "where 38.8 MB are published", id="other-size"),
    ],
)
def test_what_is_not_the_model_is_thrown_away(site, store, publish, content, known, message):
    publish(site.put("/" + FILE, content), **known)
    with pytest.raises(DownloadError, match=f"not what it should be: .*{message}"):
        download(NAME, store)
    assert visible(store) == []


def test_a_published_checksum_that_fits_is_fine(site, store, publish):
    publish(site.put("/" + FILE, CONTENT), sha256=file_sha256(CHECKPOINT))
    assert download(NAME, store).is_file()


def test_three_volumes_become_one_checkpoint_that_loads(site, store, publish):
    fetched, unpacked = [], []
    publish(*volumes(site), size=len(CONTENT))
    download(
        NAME,
        store,
        progress=lambda done, total: fetched.append((done, total)),
        unpack_progress=lambda done, total: unpacked.append((done, total)),
    )
    assert visible(store) == [FILE, FILE + ".sha256"]
    assert zoo.load(NAME, store).architecture["width"] == 4
    packed = sum(len(served.content) for served in site.files.values())
    assert fetched[-1] == (packed, packed)
    assert {total for _, total in fetched} == {packed}
    assert unpacked[-1] == (len(CONTENT), len(CONTENT))


def test_volumes_that_are_here_are_not_fetched_again(site, store, publish):
    urls = volumes(site)
    site.files[f"/{FILE}.7z.003"].cuts = [100, 0]
    publish(*urls)
    with pytest.raises(DownloadError, match="broke off"):
        download(NAME, store)
    asked_before = len(site.ranges())
    download(NAME, store)
    assert site.ranges()[asked_before:] == ["bytes=100-"]


def test_a_login_page_among_the_volumes(site, store, publish):
    urls = volumes(site)
    site.put(f"/{FILE}.7z.002", b"<html>Sign in</html>")
    publish(*urls)
    with pytest.raises(DownloadError, match="it is a web page"):
        download(NAME, store)
    assert visible(store) == [FILE + ".7z.001"]


def test_an_archive_of_something_else_leaves_nothing(site, store, publish):
    publish(*volumes(site), size=38_800_000)
    with pytest.raises(DownloadError, match=r"where 38\.8 MB are published"):
        download(NAME, store)
    assert visible(store) == []


def test_one_fetches_and_the_other_is_told_to_wait(site, store, publish):
    publish(site.put("/" + FILE, CONTENT))
    store.folder.mkdir()
    with (
        FileLock(store.folder / f".{NAME}.lock"),
        pytest.raises(DownloadError, match="another window or program: wait"),
    ):
        download(NAME, store)
    assert site.requests == []
    assert download(NAME, store).is_file()


def test_a_folder_that_cannot_be_made_says_how_to_choose_another(tmp_path, publish):
    (tmp_path / "file").write_text("in the way")
    publish("http://127.0.0.1:9/m")
    with pytest.raises(DownloadError, match="models folder"):
        download(NAME, ModelStore(tmp_path / "file" / "models"))


def test_what_can_only_be_fetched_by_hand_says_where(store):
    with pytest.raises(DownloadError, match=r"get cocolvis_vit_base.pth from https://drive.google"):
        download("simpleclick-vit-b-cocolvis", store)


def test_the_shipped_model_needs_no_download(store):
    assert download("hrnet18-cocolvis", store).name == "hrnet18-cocolvis.safetensors"
    assert not store.folder.exists()


def test_an_unknown_name(store):
    with pytest.raises(UnknownModelError):
        download("nothing", store)


def test_a_model_that_is_not_here_is_not_fetched_by_loading_it(store):
    with pytest.raises(ModelError, match="models download ritm-hrnet18-sbd"):
        zoo.load("ritm-hrnet18-sbd", store)
