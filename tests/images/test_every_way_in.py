"""Whatever a file is, `segment`, `evaluate`, `train check` and the folder mode see the same."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import tifffile
from hypothesis import given, settings

from napari_cfr_icl.cli.image_source import open_source
from napari_cfr_icl.engine.windows import Window
from napari_cfr_icl.evaluation.datasets import open_dataset
from napari_cfr_icl.session.folder import read_image
from napari_cfr_icl.training.data.collection import open_collection
from written_files import by_plane, files, write


@settings(max_examples=60, deadline=None)
@given(files())
def test_a_file_has_the_same_pixels_and_places_in_every_way_in(made):
    name, axes, pixels, orientation = made
    with tempfile.TemporaryDirectory() as place:
        root = Path(place)
        (root / "images").mkdir()
        (root / "labels").mkdir()
        path = root / "images" / name
        planes = by_plane(*write(path, axes, pixels, orientation))
        rows, cols = next(iter(planes.values())).shape[:2]
        # An object on each plane, a different one, off the middle.
        leading = tuple(np.add(max(planes), 1))
        labels = np.zeros((len(planes), rows, cols), np.uint8)
        for number, plane in enumerate(labels):
            plane[3 : 9 + number % 3, 11:15] = 1
        stem = path.name.removesuffix(path.suffix)
        labels = labels.reshape(*leading, rows, cols)
        tifffile.imwrite(root / "labels" / f"{stem}.tif", labels, photometric="minisblack")

        folder = read_image(path)
        pictures, examples = open_dataset(root, "folder").pictures, open_collection(root).examples
        assert len(pictures) == len(examples) == len(planes)
        for (index, plane), picture, example in zip(
            planes.items(), pictures, examples, strict=True
        ):
            np.testing.assert_array_equal(folder.pixels[index], plane)
            np.testing.assert_array_equal(picture.image(), plane)
            np.testing.assert_array_equal(example.image(), plane)
            np.testing.assert_array_equal(example.labels(), labels[index])
            (truth,) = picture.objects()
            np.testing.assert_array_equal(truth.truth(), labels[index])

            source = open_source(path, None, index or None)
            assert source.shape == (rows, cols)
            whole = source.read(Window.whole(source.shape))
            np.testing.assert_array_equal(whole, source.rendering(plane))
            # A click is where its pixel is: the part around it is cut out there.
            for row, col in ((5, 12), (rows - 1, 0)):
                part = source.read(Window(row, col, 1, 1))
                np.testing.assert_array_equal(part[0, 0], whole[row, col])
