"""The networks: one file for each family, one function for each published size."""

from napari_cfr_icl.engine.models.click_model import ClickModel
from napari_cfr_icl.engine.models.families import build, infer_architecture
from napari_cfr_icl.engine.models.hrnet_ocr import hrnet18, hrnet18_noprevmask, hrnet18s, hrnet32
from napari_cfr_icl.engine.models.mobile_sam import mobile_sam
from napari_cfr_icl.engine.models.plain_vit import vit_b, vit_h, vit_l, vit_xtiny
from napari_cfr_icl.engine.runtime.batch_norm_folding import folded

__all__ = [
    "ClickModel",
    "build",
    "folded",
    "hrnet18",
    "hrnet18_noprevmask",
    "hrnet18s",
    "hrnet32",
    "infer_architecture",
    "mobile_sam",
    "vit_b",
    "vit_h",
    "vit_l",
    "vit_xtiny",
]
