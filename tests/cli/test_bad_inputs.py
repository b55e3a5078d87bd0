"""What users can get wrong: one clear sentence each, exit code 2, and no file left behind."""

from __future__ import annotations

import os
import pickle
import re
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import tifffile
import zarr
from PIL import Image

from checkpoints import HRNET, Malicious, tiny, write
from napari_cfr_icl.zoo import ModelInfo, save

HTML = "<!DOCTYPE html><html><body>Please log in.</body></html>"
CLICK = ("--click", "30,40,+")


def made(path: Path, content: bytes | str) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def cut(path: Path, share: float = 0.5) -> Path:
    """Leave the first part of a file."""
    whole = path.read_bytes()
    return made(path, whole[: int(share * len(whole))])


def tiff(path: Path, shape: tuple[int, ...], dtype: str = "uint8", **options: object) -> Path:
    values = np.random.default_rng(0).integers(0, 255, shape).astype(dtype)
    tifffile.imwrite(path, values, **options)
    return path


def png(path: Path) -> Path:
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 80, 3), np.uint8)).save(path)
    return path


def npy(path: Path, values: np.ndarray) -> Path:
    np.save(path, values, allow_pickle=True)
    return path


def damaged_tiff(path: Path) -> Path:
    """Compressed pixels, overwritten."""
    whole = bytearray(tiff(path, (64, 80), compression="zlib").read_bytes())
    whole[300:900] = bytes(600)
    return made(path, bytes(whole))


def damaged_zarr(path: Path) -> Path:
    """All is well but the pixels."""
    zarr.save_array(path, np.random.default_rng(0).integers(0, 255, (64, 80), np.uint8))
    [chunk] = path.glob("c/0/0")
    cut(chunk)
    return path


BAD_IMAGES = {
    "missing file": (lambda f: f / "none.tif", "There is no file .*none.tif"),
    "folder": (lambda f: f, "is a folder without a Zarr image: choose a file"),
    "empty file": (lambda f: made(f / "x.png", b""), "x.png is an empty file, not an image"),
    "web page saved as .tif": (lambda f: made(f / "x.tif", HTML), "is a web page, .* not an image"),
    "text as image": (
        lambda f: made(f / "x.jpg", "row,col\n1,2\n"),
        "is a text file, not an image",
    ),
    "text of no known kind": (lambda f: made(f / "x.csv", "row,col\n1,2\n"), "is a text file"),
    "noise": (lambda f: made(f / "x.dat", bytes(range(99))), "no image of a known kind"),
    "photo named .tif": (lambda f: png(f / "x.png").rename(f / "x.tif"), "not a TIFF file"),
    "corrupt TIFF": (lambda f: damaged_tiff(f / "x.tif"), "x.tif cannot be read"),
    "truncated TIFF": (lambda f: cut(tiff(f / "x.tif", (64, 80))), "x.tif cannot be read"),
    "TIFF of 6 bytes": (lambda f: cut(tiff(f / "x.tif", (64, 80)), 0.001), "cannot be read"),
    "truncated PNG": (lambda f: cut(png(f / "x.png")), "x.png cannot be read"),
    "truncated NPY": (lambda f: cut(npy(f / "x.npy", np.eye(64))), "x.npy cannot be read"),
    "pickled array": (lambda f: npy(f / "x.npy", np.array([[{}]])), "x.npy cannot be read"),
    "words for pixels": (
        lambda f: npy(f / "x.npy", np.full((64, 80), "a")),
        "holds <U1, not numbers",
    ),
    "complex numbers": (lambda f: npy(f / "x.npy", np.eye(64) * 1j), "holds complex128, not"),
    "one axis": (lambda f: npy(f / "x.npy", np.arange(64)), "no picture of rows and columns"),
    "no pixels": (lambda f: npy(f / "x.npy", np.ones((0, 80))), "an image without pixels"),
    "stack": (
        lambda f: tiff(f / "x.tif", (9, 64, 80)),
        "is a stack: its axes ZYX are 9 x 64 x 80. Choose a plane with --plane 0..8, or say "
        "--axes CYX",
    ),
    "4-D stack": (lambda f: tiff(f / "x.tif", (5, 9, 64, 80)), "--plane 0..4,0..8"),
    "6-D array": (
        lambda f: npy(f / "x.npy", np.ones((2,) * 6)),
        "has 6 axes, 2 x 2 x 2 x 2 x 2 x 2: say",
    ),
    "broken Zarr": (
        lambda f: made(f / "zarr.json", '{"zarr_format": 3').parent,
        "cannot be read as a Zarr image",
    ),
    "damaged Zarr": (lambda f: damaged_zarr(f / "x.zarr"), "x.zarr is damaged or incomplete"),
    "Zarr without an image": (
        lambda f: made(f / ".zgroup", '{"zarr_format": 2}').parent,
        "does not say which picture is in it",
    ),
}

BAD_WORDS = {
    "no click": ([], "Give at least one --click, or a mask"),
    "click outside": (
        ["--click", "64,40,+"],
        "row 64, column 40 lies outside the image of 64 rows",
    ),
    "click far outside": (["--click", "-1e9,40,+"], "lies outside the image"),
    "later click outside": ([*CLICK, "--click", "3,99,-"], "row 3, column 99 lies outside"),
    "click of one word": (["--click", "30"], "'30' is no click: write ROW,COL,\\+"),
    "click without sign": (["--click", "30,40"], "is no click"),
    "click with another sign": (["--click", "30,40,1"], "is no click"),
    "click in words": (["--click", "here,40,+"], "is no click"),
    "click at NaN": (["--click", "nan,40,+"], "finite coordinates"),
    "click at infinity": (["--click", "30,1e999,+"], "finite coordinates"),
    "unknown model": ([*CLICK, "--model", "hrnet18-cocolvsi"], "Did you mean hrnet18-cocolvis"),
    "model not fetched": (
        [*CLICK, "--model", "ritm-hrnet18-sbd"],
        "fetch it with `napari-cfr-icl models download ritm-hrnet18-sbd`",
    ),
    "missing model file": ([*CLICK, "--model", "none.pth"], "There is no file none.pth"),
    "unknown inference": ([*CLICK, "--inference", "cfr"], "'cfr' is no inference scheme"),
    "too many steps": ([*CLICK, "--inference", "cfr-101"], "steps must be from 0 to 100, not 101"),
    "negative threshold": ([*CLICK, "--threshold", "-5"], "threshold in pixels must be from 0"),
    "threshold in words": (
        [*CLICK, "--threshold", "few"],
        "value for --threshold: unable to convert .few. into int",
    ),
    "unknown preset": (
        [*CLICK, "--preset", "quick"],
        "no preset 'quick'; choose one of interactive",
    ),
    "unknown precision": (
        [*CLICK, "--precision", "int4"],
        '"int4" for --precision. Choose from: "float32", "bfloat16", "float16", "int8", "fast"',
    ),
    "unknown device": ([*CLICK, "--device", "tpu9"], "'tpu9' is no device; choose auto, cpu"),
    "missing device": ([*CLICK, "--device", "xla"], "This machine has no 'xla' device"),
    "plane of a plane": ([*CLICK, "--plane", "3"], "a single plane, no stack: leave out --plane"),
    "plane in words": ([*CLICK, "--plane", "top"], "'top' is no plane"),
    "axes of another image": ([*CLICK, "--axes", "ZYX"], "'ZYX' cannot be the axes of .*64 x 80"),
    "axes without rows": ([*CLICK, "--axes", "CX"], "cannot be the axes"),
    "unknown option": ([*CLICK, "--colour", "red"], "Unknown option: --colour"),
    "a second image": ([*CLICK, "other.tif"], r"Unused Tokens: \['other.tif'\]"),
}

BAD_MASKS = {
    "missing mask": (lambda f: f / "none.tif", "There is no file .*none.tif"),
    "mask of another size": (lambda f: tiff(f / "m.tif", (64, 79)), "both must be of one size"),
    "mask with NaN": (
        lambda f: npy(f / "m.npy", np.full((64, 80), np.nan)),
        "probabilities from 0 to 1",
    ),
    "mask of large decimals": (
        lambda f: npy(f / "m.npy", np.full((64, 80), 255.0)),
        "probabilities from 0 to 1",
    ),
    "mask in colour": (lambda f: png(f / "m.png"), "one whole number for each pixel"),
    "TIFF mask in colour": (lambda f: tiff(f / "m.tif", (64, 80, 3)), "has channels"),
    "stack of masks": (lambda f: tiff(f / "m.tif", (9, 64, 80)), "Choose a plane"),
    "web page as mask": (lambda f: made(f / "m.png", HTML), "is a web page"),
}

BAD_OUTPUTS = {
    "missing folder": (["--out", "none/mask.tif"], "There is no folder none: make it"),
    "a folder": (["--out", "folder.tif"], "folder.tif is no file that could be written anew"),
    "in a file": (["--out", "disc.tif/mask.tif"], "There is no folder disc.tif"),
    "the image itself": (["--out", "disc.tif"], "disc.tif is the image itself"),
    "no TIFF": (["--out", "mask.png"], "let mask.png end in .tif"),
    "name too long": (["--out", f"{'m' * 300}.tif"], "The system refuses: .*name"),
    "trace over the mask": (["--out", "a.tif", "--trace", "a.tif"], "need different names"),
    "trace without folder": (["--out", "a.tif", "--trace", "none/t.json"], "no folder none"),
    "trace over the image": (["--out", "a.tif", "--trace", "disc.tif"], "is the image itself"),
}


def own_format(path: Path) -> Path:
    model = tiny()
    save(model, path, ModelInfo("m", model.architecture))
    return path


BAD_MODELS = {
    "web page as .pth": (lambda f: made(f / "m.pth", HTML), "is a web page, .* not a model"),
    "text as .pth": (lambda f: made(f / "m.pth", "weights"), "is a text file, not a model"),
    "empty .pth": (lambda f: made(f / "m.pth", b""), "is an empty file, not a model"),
    "image as .pth": (lambda f: png(f / "m.pth.png"), "a file of an unknown kind, not a model"),
    "a folder as model": (lambda f: f, "is a folder, not a model"),
    "malicious pickle": (
        lambda f: write(f / "m.pth", {"state_dict": Malicious(f / "hacked")}),
        "was not loaded, because it wants to run code",
    ),
    "malicious old pickle": (
        lambda f: made(f / "m.pth", pickle.dumps(Malicious(f / "hacked"), protocol=2)),
        "wants to run code",
    ),
    "truncated .pth": (
        lambda f: cut(made(f / "m.pth", HRNET.read_bytes())),
        "damaged or incomplete",
    ),
    "truncated safetensors": (
        lambda f: cut(own_format(f / "m.safetensors")),
        "is damaged or incomplete",
    ),
    "foreign weights": (
        lambda f: write(f / "m.pth", {"state_dict": {"a": tiny().state_dict().popitem()[1]}}),
        "holds no network that is known here",
    ),
    "no weights": (lambda f: write(f / "m.pth", {"epoch": 3}), "holds no weights of a network"),
    "a list": (lambda f: write(f / "m.pth", [1, 2]), "holds 2 networks"),
    "7z archive": (lambda f: made(f / "m.pth", b"7z\xbc\xaf\x27\x1c" + bytes(99)), "unpacked"),
}


@pytest.fixture
def folder(tmp_path, image, monkeypatch):
    """The image, a mask from earlier and a folder; the program runs in it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mask.tif").write_bytes(b"from earlier")
    (tmp_path / "folder.tif").mkdir()
    return tmp_path


@pytest.fixture
def refused(run, folder):
    """Run the program, which must refuse with one sentence and leave everything as it was."""

    def refused(*words: object, because: str) -> None:
        before = contents(folder)
        result = run(*words)
        check_sentence(result.stderr, because)
        assert (result.exit_code, result.stdout) == (2, "")
        assert contents(folder) == before

    return refused


def check_sentence(text: str, pattern: str) -> None:
    assert re.fullmatch(r"\S.*[.?)]\n", text), f"not a single sentence: {text!r}"
    assert re.search(pattern, text, re.IGNORECASE), text
    assert "Traceback" not in text
    assert "Error:" not in text


def contents(folder: Path) -> dict[Path, bytes | None]:
    return {
        path: path.read_bytes() if path.is_file() else None for path in sorted(folder.rglob("*"))
    }


@pytest.mark.parametrize(("make", "because"), BAD_IMAGES.values(), ids=BAD_IMAGES)
def test_images(make, because, refused, tmp_path_factory):
    bad = make(tmp_path_factory.mktemp("bad"))
    refused("segment", bad, *CLICK, "--out", "mask.tif", because=because)


@pytest.mark.parametrize(("words", "because"), BAD_WORDS.values(), ids=BAD_WORDS)
def test_words(words, because, refused, small_model):
    refused("segment", "disc.tif", *small_model, *words, "--out", "mask.tif", because=because)


@pytest.mark.parametrize(("make", "because"), BAD_MASKS.values(), ids=BAD_MASKS)
def test_masks(make, because, refused, tmp_path_factory):
    bad = make(tmp_path_factory.mktemp("bad"))
    refused("segment", "disc.tif", "--previous", bad, "--out", "mask.tif", because=because)


@pytest.mark.parametrize(("words", "because"), BAD_OUTPUTS.values(), ids=BAD_OUTPUTS)
def test_outputs(words, because, refused):
    refused("segment", "disc.tif", *CLICK, *words, because=because)


@pytest.mark.parametrize(("make", "because"), BAD_MODELS.values(), ids=BAD_MODELS)
def test_models(make, because, refused, folder):
    bad = make(folder)
    refused("segment", "disc.tif", *CLICK, "--model", bad, "--out", "mask.tif", because=because)
    refused("models", "import", bad, "--name", "mine", because=because)


def test_nothing_at_all(refused):
    refused("segment", because="IMAGE requires an argument. See .*segment --help")


def test_a_folder_that_cannot_be_written(refused):
    # The system keeps this one even from root; where there is none of that name, that is said.
    refused(
        "segment", "disc.tif", *CLICK, "--out", "/sys/mask.tif", because="folder /sys|into /sys"
    )


def test_a_folder_where_the_unfinished_mask_would_be(refused, folder, small_model):
    (folder / "new.tif.part").mkdir()
    words = ["segment", "disc.tif", *small_model, *CLICK, "--out", "new.tif"]
    refused(*words, because="Nothing can be written into .*choose another folder")


if sys.platform != "win32":
    import resource
    import signal

    @contextmanager
    def full_disk():
        """No file may grow beyond 64 bytes, as on a disk that is almost full.

        Ended within the test: pytest reports a test before its fixtures end, and could not.
        """
        assert signal.getsignal(signal.SIGXFSZ) is signal.SIG_IGN
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (64, limits[1]))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)

    @pytest.mark.parametrize("more", [[], ["--trace", "t.json"]], ids=["mask", "mask and trace"])
    def test_a_full_disk(refused, small_model, more):
        words = ["segment", "disc.tif", *small_model, *CLICK, "--out", "mask.tif", *more]
        with full_disk():
            refused(*words, because="The disk that holds .* is full: free some space")


def test_in_a_process_of_its_own(folder, small_model):
    """Nothing that a library logs or warns of comes between."""
    damaged_tiff(folder / "bad.tif")
    before = contents(folder)
    program = Path(sys.executable).with_name("napari-cfr-icl")
    words = ["segment", "bad.tif", *small_model, *CLICK, "--out", "mask.tif"]
    ended = subprocess.run([program, *words], capture_output=True, text=True, check=False)
    check_sentence(ended.stderr, "bad.tif cannot be read")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert contents(folder) == before


def test_only_some_of_this_is_for_users(run, image, monkeypatch):
    """A mistake of ours keeps its traceback: it is no sentence, and exit code 2 would lie."""
    monkeypatch.setattr(os, "access", None)
    with pytest.raises(TypeError):
        run("segment", image, *CLICK, "--out", image.with_name("mask.tif"))
