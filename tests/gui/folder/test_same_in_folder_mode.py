"""Files of every kind in the folder mode: what is drawn there lies there for the commands."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

import command_line
from folder_user import draw, go, walked
from napari_cfr_icl.training.data.collection import open_collection
from written_files import WRITERS, by_plane, files, write

ROW, COL = 12, 30
QUICK = ("plain.tif", "x.ome.tif", "colours.png", "ome.zarr")
chosen = [writer for writer in WRITERS if writer.name in QUICK]


@pytest.mark.parametrize(
    "writers", [chosen, pytest.param(WRITERS, marks=pytest.mark.slow)], ids=["some", "all"]
)
def test_what_is_drawn_is_trained_on_where_it_was_drawn(
    viewer, open_dock, disks, tmp_path, monkeypatch, writers
):
    planes = {}

    @settings(
        max_examples=1,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=[HealthCheck.function_scoped_fixture],
    )
    @given(st.tuples(*(files((writer,), least=50) for writer in writers)))
    def made(drawn):
        for number, (name, axes, pixels, orientation) in enumerate(drawn):
            path = tmp_path / f"{number:02}-{name}"
            planes[path.name] = by_plane(*write(path, axes, pixels, orientation))

    made()
    driver = walked(open_dock(viewer), tmp_path, monkeypatch)
    for name in planes:
        image = driver.dock.controller.workspace.image
        index = tuple(int(step) for step in viewer.dims.current_step[: viewer.dims.ndim - 2])
        plane = planes[name][index]
        shown = [layer.data for layer in driver.dock.controller.workspace.channels]
        seen = shown[0] if image.rgb or len(shown) == 1 else np.stack(shown, axis=-1)
        np.testing.assert_array_equal(seen[index], plane, err_msg=name)
        draw(driver, ROW, COL)
        driver.dock.object.write.click()
        go(driver, driver.dock.folder.next)
    # The last one is kept when it is left, too.
    go(driver, driver.dock.folder.previous)
    found = command_line.run("train", "check", str(tmp_path))
    assert f"{len(planes)} usable pictures, {len(planes)} objects" in found.stdout, found
    for example in open_collection(tmp_path).examples:
        ids = example.labels()
        if ids.any():
            rows, cols = np.nonzero(ids)
            assert (np.median(rows), np.median(cols)) == (ROW, COL), example
