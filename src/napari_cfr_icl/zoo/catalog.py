"""The catalogue of known models: source, licence and training data.

What is not known for certain is `None`, and shown as unknown.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

from napari_cfr_icl._errors import UnknownModelError

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["CATALOGUE", "DEFAULT_MODEL", "ModelEntry", "require", "unknown_model"]

DEFAULT_MODEL = "cfr-icl-hrnet18"
EMBEDDED_FOLDER = Path(__file__).parent / "weights"


@dataclass(frozen=True, slots=True)
class ModelEntry:
    """One published checkpoint.

    Attributes
    ----------
    name : str
        The name to load it by, as in `load("cfr-icl-hrnet18")`.
    title : str
        The name that people read.
    architecture : str
        Name of the network in `engine.models.PUBLISHED`, such as "vit_h".
    licence : str or None
        The terms under which the weights are offered.
    source : str
        Who published it, and the paper to cite.
    page : str
        Web page with more information, or for a download by hand.
    trained_on : str or None
        The training data.
    file_name : str or None
        The checkpoint's name at its publisher.
    urls : tuple of str
        Download URLs, if any; several are the volumes of one 7z archive, in order.
    sha256 : str or None
        Checksum of the checkpoint, where its publisher states one or it ships.
    size : int or None
        Bytes of the checkpoint, rounded if its publisher states them so.
    embedded : str or None
        File in the package's own weights folder; such a model needs no download.
    notes : str
        Advice for choosing.
    """

    name: str
    title: str
    architecture: str
    licence: str | None
    source: str
    page: str
    trained_on: str | None = None
    file_name: str | None = None
    urls: tuple[str, ...] = ()
    sha256: str | None = None
    size: int | None = None
    embedded: str | None = None
    notes: str = ""

    @property
    def embedded_path(self) -> Path | None:
        """Path of the file inside the package, or None if it does not ship."""
        return None if self.embedded is None else EMBEDDED_FOLDER / self.embedded

    @property
    def is_archive(self) -> bool:
        """True if it has to be unpacked from the volumes of an archive."""
        return len(self.urls) > 1


def require(name: str) -> ModelEntry:
    """Return the entry called `name`, or raise `UnknownModelError` with the nearest names."""
    if name not in CATALOGUE:
        raise unknown_model(name)
    return CATALOGUE[name]


def unknown_model(name: str, also_known: Iterable[str] = ()) -> UnknownModelError:
    """The error for a name that is neither in the catalogue nor among `also_known`."""
    known = [*CATALOGUE, *also_known]
    near = get_close_matches(name, known, n=3)
    hint = f"Did you mean {' or '.join(near)}?" if near else f"There are {', '.join(known)}."
    return UnknownModelError(f"There is no model called {name!r}. {hint}")


_COCO_LVIS = "COCO + LVIS"
_SBD = "SBD"
_RITM = "https://github.com/saic-vul/ritm_interactive_segmentation"
_SIMPLECLICK = "https://drive.google.com/drive/folders/1qpK0gtAPkVMF7VC42UA9XF4xMWr5KJmL"
_CFR_ICL = "https://github.com/TitorX/CFR-ICL-Interactive-Segmentation"


def _ritm(architecture: str, trained_on: str, file_name: str, size: int) -> ModelEntry:
    width = architecture.removeprefix("hrnet")
    return ModelEntry(
        name=f"ritm-hrnet{width}-{'sbd' if trained_on == _SBD else 'cocolvis'}",
        title=f"RITM HRNet-{width} ({trained_on})",
        architecture=architecture,
        licence="MIT",
        source="RITM, Sofiiuk et al. 2021, arXiv 2102.06583",
        page=_RITM,
        trained_on=trained_on,
        file_name=file_name,
        urls=(f"{_RITM}/releases/download/v1.0/{file_name}",),
        size=size,
    )


def _simpleclick(size: str, trained_on: str | None, file_name: str | None) -> ModelEntry:
    data = {_SBD: "-sbd", _COCO_LVIS: "-cocolvis", None: ""}[trained_on]
    return ModelEntry(
        name=f"simpleclick-vit-{size.lower()}{data}",
        title=f"SimpleClick ViT-{size}" + (f" ({trained_on})" if trained_on else ""),
        architecture=f"vit_{size.lower()}",
        licence="MIT",
        source="SimpleClick, Liu et al. 2023",
        page=_SIMPLECLICK,
        trained_on=trained_on,
        file_name=file_name,
        notes="Published in a Google Drive folder only: fetch it there, then import the file.",
    )


_ENTRIES = (
    ModelEntry(
        name=DEFAULT_MODEL,
        title="HRNet-18 for microscopy and photos, built in",
        architecture="hrnet18",
        licence="Apache-2.0",
        source="this project, from hrnet18-cocolvis (EISeg) by CFR-ICL, arXiv 2303.05620",
        page="https://pypi.org/project/napari-cfr-icl/",
        trained_on=f"{_COCO_LVIS}; then DSB 2018 nuclei, EMPS, Usiigaci, COCO photos",
        sha256="d2871c66d41ea9464f525c0600f3462f22d7e1fd1cbd44e8e3ccee94a5ef4422",
        size=20_371_518,
        embedded="cfr-icl-hrnet18.safetensors",
        notes="Ships with the plugin. Tuned with ICL and SUEM; sees windows of 320 pixels.",
    ),
    ModelEntry(
        name="cfr-icl-mobilesam",
        title="MobileSAM for microscopy and photos, quick, built in",
        architecture="mobile_sam",
        licence="Apache-2.0",
        source="this project, from MobileSAM, arXiv 2306.14289, by CFR-ICL, arXiv 2303.05620",
        page="https://pypi.org/project/napari-cfr-icl/",
        trained_on="SA-1B; then DSB 2018 nuclei, EMPS, Usiigaci, COCO photos",
        sha256="0bcc6983aa42667d22d9b84926e3beacbacbca66a67861f1d175755280c1bb63",
        size=18_606_040,
        embedded="cfr-icl-mobilesam.safetensors",
        notes="Ships with the plugin. Looks at a picture once: further clicks cost a fraction.",
    ),
    ModelEntry(
        name="hrnet18-cocolvis",
        title="HRNet-18 for photos (COCO + LVIS), built in",
        architecture="hrnet18",
        licence="Apache-2.0",
        source="EISeg, in the package paddlelabel-ml 1.0.0; after RITM, arXiv 2102.06583",
        page="https://pypi.org/project/paddlelabel-ml/1.0.0/",
        trained_on=_COCO_LVIS,
        sha256="10491057dcf5438aa51b82bf1c3e269cafb4f49e8d9082ebe7dc3a282e8bef36",
        size=20_365_126,
        embedded="hrnet18-cocolvis.safetensors",
        notes="Ships with the plugin. Has seen photos only; weak on nuclei and cells.",
    ),
    _ritm("hrnet18s", _COCO_LVIS, "coco_lvis_h18s_itermask.pth", 16_500_000),
    _ritm("hrnet18", _COCO_LVIS, "coco_lvis_h18_itermask.pth", 38_800_000),
    _ritm("hrnet32", _COCO_LVIS, "coco_lvis_h32_itermask.pth", 119_000_000),
    _ritm("hrnet18", _SBD, "sbd_h18_itermask.pth", 38_800_000),
    replace(
        _ritm("hrnet18", _COCO_LVIS, "coco_lvis_h18_baseline.pth", 38_800_000),
        name="ritm-hrnet18-cocolvis-baseline",
        title="RITM HRNet-18 without previous mask (COCO + LVIS)",
        architecture="hrnet18_noprevmask",
        notes="Takes no previous mask: it cannot correct one, and CFR has nothing to feed back.",
    ),
    _simpleclick("B", _COCO_LVIS, "cocolvis_vit_base.pth"),
    _simpleclick("L", _COCO_LVIS, "cocolvis_vit_large.pth"),
    _simpleclick("H", _COCO_LVIS, "cocolvis_vit_huge.pth"),
    _simpleclick("B", _SBD, "sbd_vit_base.pth"),
    _simpleclick("L", _SBD, "sbd_vit_large.pth"),
    _simpleclick("H", _SBD, "sbd_vit_huge.pth"),
    _simpleclick("xTiny", None, None),
    ModelEntry(
        name="cfr-icl-vit-h-cocolvis",
        title="CFR-ICL ViT-H (COCO + LVIS)",
        architecture="vit_h",
        licence="CC BY-NC 4.0 (no commercial use)",
        source="CFR-ICL, Sun et al., AAAI 2024, arXiv 2303.05620",
        page=_CFR_ICL,
        trained_on=_COCO_LVIS,
        file_name="cocolvis_icl_vit_huge.pth",
        urls=tuple(
            f"{_CFR_ICL}/releases/download/v1.0/cocolvis_icl_vit_huge.pth.7z.{volume:03d}"
            for volume in (1, 2, 3)
        ),
        size=2_600_000_000,
        notes="Comes in three archive volumes; unpacking takes about twice its size on disk.",
    ),
)

CATALOGUE: dict[str, ModelEntry] = {entry.name: entry for entry in _ENTRIES}
