from __future__ import annotations

import os
import pickle
from collections import OrderedDict

import numpy as np
import pytest

from napari_cfr_icl._errors import InputError
from napari_cfr_icl.evaluation.datasets.lvis import coco_lvis
from napari_cfr_icl.evaluation.datasets.safe_pickle import read_pickle


def write(path, value, protocol=pickle.DEFAULT_PROTOCOL):
    path.write_bytes(pickle.dumps(value, protocol))
    return path


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL))
def test_plain_data_and_bytes_of_numpy_are_read(tmp_path, protocol):
    value = (
        [np.array([1, 2, 255], np.uint8)],
        [(np.int64(-3), 2), (np.uint8(200), 1)],
        {"a": None},
    )

    layers, places, rest = read_pickle(write(tmp_path / "a", value, protocol))

    assert layers == [bytes([1, 2, 255])]
    assert places == [(-3, 2), (200, 1)]
    assert rest == {"a": None}


class Harmful:
    def __init__(self, target):
        self.target = target

    def __reduce__(self):
        return os.mkdir, (self.target,)


def test_nothing_named_in_a_pickle_is_run(tmp_path):
    path = write(tmp_path / "a", [Harmful(str(tmp_path / "proof"))])

    with pytest.raises(InputError, match=r"it names (posix|nt)\.mkdir"):
        read_pickle(path)
    assert not (tmp_path / "proof").exists()


@pytest.mark.parametrize(
    "value",
    [np.array([1.5]), np.float64(2), np.array([{}], dtype=object), OrderedDict(a=1), {1}, len],
    ids=["floats", "float", "objects", "class", "set", "function"],
)
def test_other_things_are_refused(tmp_path, value):
    # protocol 3: later ones write a set without naming a class
    with pytest.raises(InputError, match="no pickle of plain data"):
        read_pickle(write(tmp_path / "a", value, 3))


def test_damaged_file_is_refused(tmp_path):
    path = write(tmp_path / "a", [np.zeros(50, np.uint8)])
    whole = path.read_bytes()

    for end in range(0, len(whole), 7):
        path.write_bytes(whole[:end])
        with pytest.raises(InputError, match="no pickle of plain data"):
            read_pickle(path)
    with pytest.raises(InputError, match="no file"):
        read_pickle(tmp_path / "nowhere")


def test_pickles_of_another_shape_are_no_lvis(tmp_path):
    for name in ("images", "masks"):
        (tmp_path / "val" / name).mkdir(parents=True)
    write(tmp_path / "val" / "hannotation.pickle", [1, 2])
    with pytest.raises(InputError, match=r"hannotation\.pickle holds no annotations"):
        coco_lvis(tmp_path)

    write(tmp_path / "val" / "hannotation.pickle", {"5": {"num_instance_masks": 1}})
    write(tmp_path / "val" / "masks" / "5.pickle", ([np.zeros(3, np.uint8)], [(0, 1)]))
    (picture,) = coco_lvis(tmp_path).pictures
    with pytest.raises(InputError, match=r"5\.pickle holds no masks"):
        picture.objects()
