"""Files with several pictures, or without some of their planes: what is taken is said."""

from __future__ import annotations

import json

import numpy as np
import pytest
import tifffile
import zarr

from napari_cfr_icl._errors import ImageError, SettingsError
from napari_cfr_icl.cli.image_source import open_source
from napari_cfr_icl.engine.source import ImageSource
from napari_cfr_icl.engine.windows import Window
from napari_cfr_icl.evaluation.datasets import open_dataset
from napari_cfr_icl.images.opening import open_image

STACK = np.random.default_rng(0).integers(1, 255, (6, 30, 40), np.uint8)
WHOLE = Window.whole((30, 40))
GREY = {"photometric": "minisblack", "metadata": None}
UUID = "urn:uuid:00000000-0000-0000-0000-00000000000{}"
OME = (
    '<?xml version="1.0" encoding="UTF-8"?>'
    '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" UUID="{me}">'
    '<Image ID="Image:0"><Pixels ID="Pixels:0" DimensionOrder="XYZCT" Type="uint8" SizeX="40" '
    'SizeY="30" SizeZ="6" SizeC="1" SizeT="1" PhysicalSizeX="0.25" PhysicalSizeY="0.5">'
    '<Channel ID="Channel:0:0" SamplesPerPixel="1"/>{planes}</Pixels></Image></OME>'
)
PLANE = (
    '<TiffData FirstZ="{z}" FirstC="0" FirstT="0" IFD="{ifd}" PlaneCount="1">'
    '<UUID FileName="{file}">{uuid}</UUID></TiffData>'
)


def in_two_files(folder):
    planes = "".join(
        PLANE.format(z=z, ifd=z % 3, file=f"{z // 3}.ome.tif", uuid=UUID.format(z // 3))
        for z in range(6)
    )
    for number in range(2):
        described = OME.format(me=UUID.format(number), planes=planes).encode()
        part = STACK[3 * number : 3 * number + 3]
        tifffile.imwrite(folder / f"{number}.ome.tif", part, description=described, **GREY)
    return folder / "0.ome.tif"


def stopped(folder):
    described = OME.format(me=UUID.format(0), planes="<TiffData/>").encode()
    tifffile.imwrite(folder / "0.ome.tif", STACK[:3], description=described, **GREY)
    return folder / "0.ome.tif"


def first_file_only(folder):
    path = in_two_files(folder)
    (folder / "1.ome.tif").unlink()
    return path


def seen(pixels):
    return ImageSource(pixels).read(WHOLE)


def messages(caplog):
    return " ".join(record.getMessage() for record in caplog.records if "napari" in record.name)


def test_planes_in_several_files_are_all_read(tmp_path, caplog):
    path = in_two_files(tmp_path)
    for z in range(6):
        np.testing.assert_array_equal(open_source(path, None, (z,)).read(WHOLE), seen(STACK[z]))
    assert messages(caplog) == ""


@pytest.mark.parametrize("make", [stopped, first_file_only])
def test_planes_that_are_not_there_are_not_black(make, tmp_path, caplog):
    path = make(tmp_path)
    np.testing.assert_array_equal(open_source(path, None, (2,)).read(WHOLE), seen(STACK[2]))
    assert "3 of 6 planes of" in messages(caplog)
    assert "the first are 3, 4, 5" in messages(caplog)
    with pytest.raises(ImageError, match=r"does not hold plane \(4,\): it is incomplete"):
        open_source(path, None, (4,))
    tifffile.imwrite(tmp_path / "0_labels.tif", np.ones((6, 30, 40), np.uint8), **GREY)
    pictures = open_dataset(tmp_path, "folder").pictures
    np.testing.assert_array_equal(pictures[2].image(), STACK[2])
    with pytest.raises(ImageError, match="does not hold plane"):
        pictures[3].image()


def test_the_command_refuses_a_plane_that_is_not_there(run, small_model, tmp_path):
    words = ["--plane", "5", "--click", "3,4,+", *small_model, "--out", tmp_path / "m.tif"]
    result = run("segment", stopped(tmp_path), *words)
    assert result.exit_code == 2
    assert "does not hold plane (5,)" in result.stderr


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"metadata": None}, "is cut off: planes after the first 1 are lost"),
        ({"metadata": None, "compression": "zlib"}, "is cut off: planes after the first 4 are"),
        ({"imagej": True}, "promises 6 planes and holds 1"),
        ({"imagej": True, "compression": "zlib"}, "is cut off: planes after the first 4 are lost"),
        ({"bigtiff": True, "metadata": None}, "is cut off: planes after the first 1 are lost"),
        ({"byteorder": ">", "metadata": None}, "is cut off: planes after the first 1 are lost"),
    ],
    ids=str,
)
def test_stacks_that_were_cut_off(options, sentence, tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, STACK, photometric="minisblack", **options)
    assert open_image(path).assumption == ""
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * 0.65)])
    assert sentence in open_image(path).assumption


def test_an_acquisition_of_imagej_that_was_stopped(tmp_path):
    described = "ImageJ=1.53\nimages=6\nslices=6\nhyperstack=false\n"
    tifffile.imwrite(tmp_path / "a.tif", STACK[:3], description=described, **GREY)
    assert "promises 6 planes and holds 3" in open_image(tmp_path / "a.tif").assumption


@pytest.fixture(params=["a.tif", "a.ome.tif"])
def several(request, tmp_path):
    """A thumbnail, and two positions."""
    with tifffile.TiffWriter(tmp_path / request.param) as writer:
        pictures = {"thumb": STACK[0, ::2, ::2], "one": STACK[1], "two": STACK[2]}
        for name, pixels in pictures.items():
            described = {"axes": "YX", "Name": name} if ".ome." in request.param else None
            # Another type, or all would be planes of one stack.
            kind = np.uint16 if name == "two" else np.uint8
            writer.write(pixels.astype(kind), photometric="minisblack", metadata=described)
    return tmp_path / request.param


def test_of_several_pictures_the_first_of_the_largest_is_taken(several, caplog):
    np.testing.assert_array_equal(open_source(several).read(WHOLE), seen(STACK[1]))
    assert "holds 3 pictures (0" in messages(caplog)
    assert "15 x 20; 1" in messages(caplog)
    assert "1 is taken, the first of the largest" in messages(caplog)


def test_the_picture_that_was_asked_for_is_taken(several, caplog):
    wanted = ["2", "two"] if several.name == "a.ome.tif" else ["2"]
    for series in wanted:
        found = open_image(several, series)
        np.testing.assert_array_equal(found.read(), STACK[2])
    assert messages(caplog) == ""
    for series in ("3", "-1", "no"):
        with pytest.raises(SettingsError, match=f"has no series '{series}': there are 0"):
            open_image(several, series)


def pyramid(group, pixels, name=""):
    group.create_array("s0", data=pixels)
    described = {"axes": [{"name": n} for n in "yx"], "datasets": [{"path": "s0"}], "name": name}
    group.attrs.update({"multiscales": [described]})


@pytest.fixture
def converted(tmp_path):
    """The folder that bioformats2raw makes of a file with two pictures."""
    root = zarr.open_group(tmp_path / "root.zarr", mode="w", zarr_format=2)
    root.attrs.update({"bioformats2raw.layout": 3})
    root.create_group("OME").attrs.update({"series": ["0", "1"]})
    for number in range(2):
        pyramid(root.create_group(str(number)), STACK[number], f"cells {number}")
    return tmp_path / "root.zarr"


@pytest.fixture
def plate(tmp_path):
    root = zarr.open_group(tmp_path / "plate.zarr", mode="w", zarr_format=2)
    wells = ["A/1", "A/10", "A/2", "B/1"]
    root.attrs.update({"plate": {"wells": [{"path": well} for well in wells]}})
    for number, well in enumerate(wells):
        pyramid(root.create_group(f"{well}/0"), STACK[number])
    return tmp_path / "plate.zarr"


def test_roots_offer_their_images_by_name(run, small_model, converted, plate, tmp_path):
    words = ["--click", "3,4,+", *small_model, "--out", tmp_path / "m.tif"]
    result = run("segment", converted, *words)
    assert (result.exit_code, "There are 0 (cells 0), 1 (cells 1)." in result.stderr) == (2, True)
    result = run("segment", plate, *words)
    assert "such as --series A/1/0," in result.stderr
    assert "There are A/1/0, A/2/0, A/10/0, B/1/0." in result.stderr
    assert run("segment", plate, *words, "--series", "A/2/0").exit_code == 0


def test_a_well_offers_its_fields_by_the_names_that_are_asked_for(
    run, small_model, plate, tmp_path
):
    words = ["--click", "3,4,+", *small_model, "--out", tmp_path / "m.tif"]
    pyramid(zarr.open_group(plate / "A" / "1", mode="a").create_group("1"), STACK[0])
    result = run("segment", plate, *words, "--series", "A/1")
    assert "There are A/1/0, A/1/1." in result.stderr
    assert run("segment", plate, *words, "--series", "A/1/1").exit_code == 0


@pytest.mark.parametrize(("series", "number"), [("1", 1), ("1/", 1), ("1/s0", 1), ("0", 0)])
def test_an_image_of_a_root(converted, series, number):
    np.testing.assert_array_equal(open_image(converted, series).levels[0][...], STACK[number])
    np.testing.assert_array_equal(open_image(converted / series).levels[0][...], STACK[number])


def test_a_root_with_one_image_leaves_no_choice(tmp_path):
    root = zarr.open_group(tmp_path / "root.zarr", mode="w")
    pyramid(root.create_group("0"), STACK[0])
    np.testing.assert_array_equal(open_image(tmp_path / "root.zarr").levels[0][...], STACK[0])


def test_a_series_that_is_not_there(converted):
    with pytest.raises(SettingsError, match=r"has no series '7': there are 0 \(cells 0\), 1"):
        open_image(converted, "7")


@pytest.mark.parametrize("options", [{"imagej": True}, {"ome": True}], ids=["imagej", "ome"])
def test_the_mask_has_the_pixel_size_of_its_image(run, small_model, tmp_path, options):
    metadata = {"imagej": {"unit": "um"}, "ome": {"PhysicalSizeX": 0.25, "PhysicalSizeY": 0.5}}
    (kind,) = options
    tifffile.imwrite(
        tmp_path / "a.tif", STACK[0], **options, resolution=(4, 2), metadata=metadata[kind]
    )
    for name in ("m.tif", "m.ome.tif"):
        words = ["--click", "3,4,+", *small_model, "--out", tmp_path / name]
        assert run("segment", tmp_path / "a.tif", *words).exit_code == 0
        found = open_image(tmp_path / name).sizes
        assert found == {"Y": (0.5, "µm"), "X": (0.25, "µm")}


def test_the_mask_of_an_ome_zarr_has_its_pixel_size(run, small_model, tmp_path):
    group = zarr.open_group(tmp_path / "a.zarr", mode="w")
    group.create_array("0", data=STACK[0])
    described = {
        "axes": [{"name": name, "unit": "nanometer"} for name in "yx"],
        "datasets": [
            {"path": "0", "coordinateTransformations": [{"type": "scale", "scale": [30, 20]}]}
        ],
        "coordinateTransformations": [{"type": "scale", "scale": [2, 2]}],
    }
    group.attrs.update({"ome": {"multiscales": [described]}})
    trace = tmp_path / "t.json"
    words = [*small_model, "--out", tmp_path / "m.ome.tif", "--trace", trace]
    assert run("segment", tmp_path / "a.zarr", "--click", "3,4,+", *words).exit_code == 0
    assert open_image(tmp_path / "m.ome.tif").sizes == {"Y": (60, "nm"), "X": (40, "nm")}
    assert json.loads(trace.read_text())["series"] is None
