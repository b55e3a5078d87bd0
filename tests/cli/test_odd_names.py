"""Names of files that are no text, and pipes that lack their letters, end no command."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from blob_dataset import TINY_MODEL, write_blobs, write_settings

LATIN = os.fsdecode(b"caf\xe9")


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such names")
@pytest.mark.parametrize("pipe", ["utf-8", "cp1252"])
@pytest.mark.parametrize("name", [LATIN, "细胞"])
def test_a_folder_of_any_name_is_evaluated_and_segmented(name, pipe, tmp_path):
    place = tmp_path / name
    place.mkdir()
    data = write_blobs(place / name, pictures=1, count=1)
    (image,) = (data / "images").iterdir()
    image.rename(image.with_name(f"{name}{image.suffix}"))
    (label,) = (data / "labels").iterdir()
    label.rename(label.with_name(f"{name}{label.suffix}"))
    image = image.with_name(f"{name}{image.suffix}")
    preset = write_settings(tmp_path / "tiny.json")
    common = ["--model", str(TINY_MODEL), "--preset", str(preset), "--device", "cpu"]
    code = f"""
import sys
from napari_cfr_icl.cli import main
main(["evaluate", {os.fspath(data)!a}, *{common!r}, "--out", {os.fspath(place / "out")!a},
      "--max-clicks", "1", "--inference", "std", "--worst", "1"])
main(["segment", {os.fspath(image)!a}, *{common[:2]!r}, "--out", {os.fspath(place / "m.ome.tif")!a},
      "--click", "9,9,+"])
"""
    environment = {**os.environ, "PYTHONIOENCODING": f"{pipe}:strict"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert b"All numbers: " in done.stdout
    assert b"m.ome.tif: " in done.stdout
    assert (place / "out" / "report.md").exists()
    assert (place / "m.ome.tif").exists()
