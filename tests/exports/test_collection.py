"""A copy of images and labels is read back as it was written, and is whole or not there."""

from __future__ import annotations

import numpy as np
import pytest

from napari_cfr_icl._errors import MaskError, OutputError
from napari_cfr_icl.exports.collection import COPY_MARK, save_collection, whole_copy
from napari_cfr_icl.training.data.collection import open_collection
from training_collections import disks_picture


def test_layers_become_a_collection_that_gives_them_back(tmp_path):
    planes = [disks_picture(seed) for seed in range(2)]
    stack = np.stack([np.stack([p, p // 2, p // 3], axis=-1) for p, _ in planes])
    labels = np.stack([labels for _, labels in planes]).astype(np.int64)
    save_collection(tmp_path / "new", [("field", stack, labels)])
    collection = open_collection(tmp_path / "new")
    assert [example.key for example in collection.examples] == ["field.tif[0]", "field.tif[1]"]
    np.testing.assert_array_equal(collection.examples[1].image(), stack[1])
    np.testing.assert_array_equal(collection.examples[1].labels(), labels[1])


def test_layers_without_whole_numbers_are_refused(tmp_path):
    picture, labels = disks_picture(0)
    with pytest.raises(MaskError, match="cells are float64"):
        save_collection(tmp_path / "new", [("cells", picture, labels / 2)])


def test_a_group_is_read_back(tmp_path):
    pairs = [(f"cells-{number}", *disks_picture(number)) for number in (3, 7)]
    save_collection(tmp_path / "new", pairs, "cells")
    examples = open_collection(tmp_path / "new").examples
    assert [(e.key, e.group) for e in examples] == [
        ("cells-3.tif", "cells"),
        ("cells-7.tif", "cells"),
    ]
    np.testing.assert_array_equal(examples[1].image(), pairs[1][1])


def test_a_copy_appears_whole_and_replaces_an_earlier_one(tmp_path):
    folder = tmp_path / "cells"
    for content in ("first", "second"):
        with whole_copy(folder) as part:
            (part / "a").write_text(content)
            assert not folder.exists() or (folder / "a").read_text() == "first"
        assert (folder / "a").read_text() == content
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cells"]


def test_a_copy_that_was_broken_off_is_not_in_the_way(tmp_path):
    folder = tmp_path / "cells"
    (tmp_path / "cells.part" / "images").mkdir(parents=True)  # the program ended while it wrote
    with pytest.raises(MaskError), whole_copy(folder) as part:
        save_collection(part, [("cells", np.zeros((3, 4)), np.zeros((3, 4)))])
    assert not folder.exists()
    with whole_copy(folder) as part:
        assert not list(part.iterdir())
    assert [path.name for path in folder.iterdir()] == [COPY_MARK]


def test_folders_of_similar_names_are_left_alone(tmp_path):
    for name in ("cells.part", "cells.old"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "precious").touch()
    with whole_copy(tmp_path / "cells"):
        pass
    assert len(list(tmp_path.glob("cells.*/precious"))) == 2


def test_a_folder_of_somebody_else_is_never_replaced(tmp_path):
    with pytest.raises(OutputError, match="is there already"), whole_copy(tmp_path):
        pass
    assert tmp_path.is_dir()
