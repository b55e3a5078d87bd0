from __future__ import annotations

import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_cfr_icl._errors import ImageError, InputError, MaskError
from napari_cfr_icl.evaluation.datasets.label_images import label_images

LABELS = np.zeros((20, 30), np.uint16)
LABELS[2:6, 3:9] = 7
LABELS[10:18, 20:22] = 300
IMAGE = np.arange(600, dtype=np.uint16).reshape(20, 30)


def pair(root, image=IMAGE, labels=LABELS, names=("images/a.tif", "labels/a.tif")):
    for name, array in zip(names, (image, labels), strict=True):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        if name.endswith(".png"):
            Image.fromarray(array).save(root / name)
        else:
            tifffile.imwrite(root / name, array, photometric="minisblack")
    return root


@pytest.mark.parametrize(
    "names",
    [
        ("images/a.tif", "labels/a.tif"),
        ("img/a.tif", "masks/a_mask.tif"),
        ("a.tif", "a_labels.tif"),
        ("a.tif", "a_masks.tiff"),
        ("a.ome.tif", "a_labels.ome.tif"),
        ("a.ome.tif", "a.ome_labels.tif"),  # as the folder mode calls them
        ("images/a.ome.tif", "labels/a.tif"),
        ("a.tif", "a_cp_masks.tif"),
        ("Images/a.tif", "Masks/a.tif"),
        ("a.ome.tif", "a_cp_masks.png"),
        ("a.ome.tif", "a.ome_cp_masks.png"),
        ("A.TIF", "a_Labels.tif"),
        ("a.OME.TIF", "a_labels.ome.tif"),
        ("IMAGES/cell.tif", "gt/Cell_GT.tif"),
    ],
    ids=lambda names: names[1],
)
def test_one_object_per_id(tmp_path, names):
    (picture,) = label_images(pair(tmp_path, names=names)).pictures
    objects = picture.objects()

    np.testing.assert_array_equal(picture.image(), IMAGE)
    assert [(item.key, item.area) for item in objects] == [("7", 24), ("300", 16)]
    np.testing.assert_array_equal(objects[1].truth() == 1, LABELS == 300)


@pytest.mark.parametrize("images", [None, "images"], ids=["one folder", "two folders"])
def test_an_ome_tiff_has_labels_of_its_own_beside_those_of_a_tiff(tmp_path, images):
    pair(tmp_path)
    pair(tmp_path, IMAGE, LABELS // 7, ("images/a.ome.tif", "labels/a.ome.tif"))
    if images is None:
        pictures = label_images(tmp_path).pictures
    else:
        pictures = label_images(tmp_path / "labels", images=tmp_path / images).pictures

    ids = {picture.key: [item.key for item in picture.objects()] for picture in pictures}
    assert ids == {"a.ome.tif": ["1", "42"], "a.tif": ["7", "300"]}


def keys_and_troubles(pictures):
    found, troubles = {}, {}
    for picture in pictures:
        try:
            found[picture.key] = [item.key for item in picture.objects()]
        except InputError as error:
            troubles[picture.key] = str(error)
    return found, troubles


@pytest.mark.parametrize("apart", [False, True], ids=["one folder", "two folders"])
@pytest.mark.parametrize(
    ("images", "labels", "both"),
    [
        (["a.tif"], ["a.png", "a.tif"], "(a.png, a.tif for a.tif)"),
        (["a.tif"], ["a_labels.tif", "a_masks.tif"], "(a_labels.tif, a_masks.tif for a.tif)"),
        (["a.jpg", "a.tif"], ["a.png"], "(a.png for a.jpg, a.tif)"),
    ],
    ids=["formats", "endings", "images"],
)
def test_what_belongs_to_several_is_named_and_does_not_stop_the_rest(
    tmp_path, images, labels, both, apart
):
    pair(tmp_path)
    pair(tmp_path, names=("images/b.tif", "labels/b.tif"))
    for folder, names in (("images", images), ("labels", labels)):
        (tmp_path / folder / "a.tif").unlink()
        for name in names:
            array = (IMAGE if folder == "images" else LABELS) % 200
            if name.endswith("tif"):
                tifffile.imwrite(tmp_path / folder / name, array.astype(np.uint8))
            else:
                Image.fromarray(array.astype(np.uint8)).save(tmp_path / folder / name)
    root, other = (tmp_path / "labels", tmp_path / "images") if apart else (tmp_path, None)
    found, troubles = keys_and_troubles(label_images(root, images=other).pictures)

    assert found == {"b.tif": ["7", "300"]}
    assert troubles.keys() == set(images)
    assert both in troubles[images[0]]


@pytest.mark.parametrize(
    "names",
    [
        [("a.tif", "a_labels.tif"), ("a.png", "a_labels.png")],
        [("a.tif", "a_labels.tif"), ("A.tif", "A_labels.tif")],
        [("a.tif", "a_labels.tif"), ("a.ome.tif", "a.ome_masks.tif")],
        [("images/a.tif", "labels/a.tif"), ("images/a_mask.tif", "labels/a_mask.tif")],
        [("images/a.tif", "labels/a.tif"), ("images/a.jpg", "labels/a.png")],
    ],
    ids=["format", "case", "ome", "ending in the image", "what is left"],
)
def test_names_that_are_alike_are_told_apart(tmp_path, names):
    pair(tmp_path, names=names[0])
    pair(tmp_path, labels=LABELS // 7, names=names[1])
    found, troubles = keys_and_troubles(label_images(tmp_path).pictures)

    first, second = (image.rpartition("/")[2] for image, _ in names)
    assert not troubles
    assert found == {first: ["7", "300"], second: ["1", "42"]}


def test_negative_ids_count_neither_way(tmp_path):
    labels = LABELS.astype(np.int16)
    labels[0], labels[1] = -1, -7
    (picture,) = label_images(pair(tmp_path, labels=labels)).pictures
    for item in picture.objects():
        truth = item.truth()
        assert (truth[:2] == -1).all()
        assert np.count_nonzero(truth == 1) == item.area


def test_a_mask_in_one_colour_is_one_object(tmp_path):
    inside = (LABELS == 300)[..., None]
    masks = {
        "red on transparent": np.where(inside, [255, 0, 0, 255], 0),
        "red, half transparent, on black": np.where(inside, [255, 0, 0, 128], [0, 0, 0, 255]),
        "white on transparent white": np.where(inside, 255, [255, 255, 255, 0]),
        "green": np.where(inside, [0, 200, 0], 0),
    }
    for name, mask in masks.items():
        Image.fromarray(IMAGE).save(tmp_path / f"{name}.png")
        Image.fromarray(mask.astype(np.uint8)).save(tmp_path / f"{name}_mask.png")
    Image.fromarray(np.dstack([LABELS % 200, np.full_like(LABELS, 255)]).astype(np.uint8)).save(
        tmp_path / "with alpha_mask.png"
    )
    Image.fromarray(IMAGE).save(tmp_path / "with alpha.png")
    areas = {p.key: [item.area for item in p.objects()] for p in label_images(tmp_path).pictures}

    *one_colour, (_, ids) = sorted(areas.items(), key=lambda item: item[0] == "with alpha.png")
    assert ids == [24, 16]
    assert {key: found for key, found in one_colour if found != [16]} == {}


@pytest.mark.parametrize(
    "image",
    [np.dstack([IMAGE] * 2), np.stack([IMAGE] * 2), IMAGE[None, :, :, None].repeat(2, axis=3)],
    ids=["channels last", "channels first", "single axes"],
)
def test_channels_are_found(tmp_path, image):
    (picture,) = label_images(pair(tmp_path, image)).pictures

    np.testing.assert_array_equal(picture.image(), np.dstack([IMAGE] * 2))


def test_named_channels_are_no_planes(tmp_path):
    image = np.stack([np.stack([IMAGE + 10 * c + z for z in range(2)]) for c in range(2)])
    stack = np.stack([LABELS, LABELS // 7])
    tifffile.imwrite(tmp_path / "a.ome.tif", image, metadata={"axes": "CZYX"}, ome=True)
    tifffile.imwrite(tmp_path / "a_labels.tif", stack, photometric="minisblack")
    pictures = label_images(tmp_path).pictures

    for z, picture in enumerate(pictures):
        np.testing.assert_array_equal(picture.image(), np.dstack([IMAGE + z, IMAGE + 10 + z]))
        np.testing.assert_array_equal(picture.objects()[0].truth(), stack[z] == (7, 1)[z])


@pytest.mark.parametrize("ending", ["npy", "tif"])
def test_labels_saved_in_colour(tmp_path, ending):
    ids = LABELS.astype(np.uint8)
    grey, coloured = np.dstack([ids] * 3), np.dstack([ids, ids, ids * 0])
    for name, labels in (("grey", grey), ("coloured", coloured)):
        np.save(tmp_path / f"{name}.npy", IMAGE)
        if ending == "npy":
            np.save(tmp_path / f"{name}_labels.npy", labels)
        else:
            tifffile.imwrite(tmp_path / f"{name}_labels.tif", labels, photometric="rgb")
    second, first = label_images(tmp_path).pictures

    assert [item.area for item in first.objects()] == [24, 16]
    with pytest.raises(MaskError, match="a mask needs one whole number for each pixel"):
        second.objects()


def test_every_plane_of_a_stack_is_a_picture(tmp_path):
    stack = np.stack([LABELS, LABELS * 0, LABELS // 7])
    image = np.stack([IMAGE, IMAGE + 1, IMAGE + 2])
    pictures = label_images(pair(tmp_path, image, stack)).pictures

    assert [picture.key for picture in pictures] == ["a.tif[0]", "a.tif[1]", "a.tif[2]"]
    assert [len(picture.objects()) for picture in pictures] == [2, 0, 2]
    np.testing.assert_array_equal(pictures[2].image(), IMAGE + 2)


@pytest.fixture
def reads(monkeypatch):
    """The names of the TIFFs whose pixels were read, in turn."""
    names = []

    def counted(read):
        def counting(path, **options):
            pixels = read(path, **options)
            names.append(path.name)
            return pixels

        return counting

    for name in ("imread", "memmap"):
        monkeypatch.setattr(tifffile, name, counted(getattr(tifffile, name)))
    return names


@pytest.mark.parametrize("compression", [None, "zlib"])
def test_a_stack_is_read_once_for_all_its_planes(tmp_path, compression, reads):
    ids = np.arange(1, 7, dtype=np.uint16)[:, None, None] * (LABELS > 0)
    image = np.stack([IMAGE + number for number in range(6)])
    for name, array in (("a.tif", image), ("a_labels.tif", ids)):
        tifffile.imwrite(tmp_path / name, array, photometric="minisblack", compression=compression)

    for number, picture in enumerate(label_images(tmp_path).pictures):
        (item,) = picture.objects()
        np.testing.assert_array_equal(picture.image(), IMAGE + number)
        np.testing.assert_array_equal(item.truth() == 1, LABELS > 0)
        assert item.key == str(number + 1)

    assert sorted(reads) == ["a.tif", "a_labels.tif"]


def test_a_file_that_is_written_anew_is_read_anew(tmp_path, reads):
    (picture,) = label_images(pair(tmp_path)).pictures
    picture.image()
    pair(tmp_path, IMAGE + 1, LABELS * (LABELS == 7))

    np.testing.assert_array_equal(picture.image(), IMAGE + 1)
    assert [item.key for item in picture.objects()] == ["7"]


def test_nobody_can_change_what_others_will_see(tmp_path):
    (picture,) = label_images(pair(tmp_path)).pictures

    with pytest.raises(ValueError, match="read-only"):
        picture.image()[0, 0] = 1


def test_zarr_is_read_like_any_other(tmp_path):
    zarr = pytest.importorskip("zarr")
    pair(tmp_path, names=("images/b.tif", "labels/b.tif"))
    for name, values in (("images", IMAGE), ("labels", LABELS)):
        zarr.save_array(tmp_path / name / "a.zarr", np.stack([values, values]))
    pictures = label_images(tmp_path).pictures

    assert [picture.key for picture in pictures] == ["a.zarr[0]", "a.zarr[1]", "b.tif"]
    np.testing.assert_array_equal(pictures[1].image(), IMAGE)
    assert [item.area for item in pictures[1].objects()] == [24, 16]


def test_a_damaged_zarr_is_named(tmp_path):
    zarr = pytest.importorskip("zarr")
    for name, values in (("images", IMAGE), ("labels", LABELS)):
        zarr.save_array(tmp_path / name / "a.zarr", values)
        for chunk in (tmp_path / name / "a.zarr" / "c").rglob("0"):
            if chunk.is_file():
                chunk.write_bytes(b"nothing of the kind")
    (picture,) = label_images(tmp_path).pictures

    for read in (picture.image, picture.objects):
        with pytest.raises(ImageError, match=r"a\.zarr is damaged or incomplete"):
            read()


def test_folders_without_images_are_no_data(tmp_path):
    for name in ("images", "labels"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "README.txt").write_text("soon")

    with pytest.raises(InputError, match="There are no images in"):
        label_images(tmp_path)


def test_a_zarr_group_that_describes_nothing_gives_its_finest_level(tmp_path):
    zarr = pytest.importorskip("zarr")
    for name, values in (("images", IMAGE), ("labels", LABELS)):
        group = zarr.open_group(tmp_path / name / "a.zarr", mode="w")
        for level in range(2):
            group.create_array(str(level), data=values[:: 2**level, :: 2**level])
    (picture,) = label_images(tmp_path).pictures

    np.testing.assert_array_equal(picture.image(), IMAGE)


def test_images_may_lie_in_a_tree_of_their_own(tmp_path):
    pair(tmp_path, IMAGE, LABELS, ("raw/monday/a.tif", "done/monday/a.tif"))
    stacks = np.stack([IMAGE + 1, IMAGE + 2]), np.stack([LABELS] * 2)
    pair(tmp_path, *stacks, ("raw/tuesday/late/a.tif", "done/tuesday/late/a_labels.tif"))
    tifffile.imwrite(tmp_path / "raw" / "not-labelled-yet.tif", IMAGE)
    pictures = label_images(tmp_path / "done", images=tmp_path / "raw").pictures

    late = [f"tuesday/late/a.tif[{plane}]" for plane in (0, 1)]
    assert [picture.key for picture in pictures] == ["monday/a.tif", *late]
    np.testing.assert_array_equal(pictures[0].image(), IMAGE)
    np.testing.assert_array_equal(pictures[2].image(), IMAGE + 2)
    assert [len(picture.objects()) for picture in pictures] == [2, 2, 2]


def test_labels_without_their_image_are_named(tmp_path):
    pair(tmp_path, names=("raw/b/a.tif", "done/c/a.tif"))

    with pytest.raises(InputError, match=r"no image for 'c/a\.tif' in .*raw"):
        label_images(tmp_path / "done", images=tmp_path / "raw")
    with pytest.raises(InputError, match=r"There is no folder .*none"):
        label_images(tmp_path / "done", images=tmp_path / "none")


def test_ignored_id_counts_neither_way(tmp_path):
    (picture,) = label_images(pair(tmp_path), ignored_id=300).pictures
    (item,) = picture.objects()

    np.testing.assert_array_equal(item.truth() == -1, LABELS == 300)
    assert item.key == "7"


def test_image_of_another_size_is_named(tmp_path):
    (picture,) = label_images(pair(tmp_path, IMAGE[:-1])).pictures

    with pytest.raises(MaskError, match=r"has 19 x 30 pixels, its labels 20 x 30"):
        picture.image()


def test_image_without_labels_is_named(tmp_path):
    pair(tmp_path)
    tifffile.imwrite(tmp_path / "images" / "b.tif", IMAGE)

    with pytest.raises(InputError, match=r"no label image for 'b\.tif'"):
        label_images(tmp_path)
