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

DEFAULT_MODEL = "cfr-icl-mobilesam"
EMBEDDED_FOLDER = Path(__file__).parent / "weights"


@dataclass(frozen=True, slots=True)
class ModelEntry:
    """One published checkpoint.

    Attributes
    ----------
    name : str
        The name to load it by, as in `load("cfr-icl-mobilesam")`.
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
    in_micro_sam : str or None
        Where micro-sam keeps it, below its folder.
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
    in_micro_sam: str | None = None
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


_SA_1B = "SA-1B"
_META = "https://dl.fbaipublicfiles.com/"
_BIOIMAGE = "https://uk1s3.embassy.ebi.ac.uk/public-datasets/bioimage.io/"
_OWNCLOUD = "https://owncloud.gwdg.de/index.php/s/"
_MICRO_SAM_PAGE = "https://computational-cell-analytics.github.io/micro-sam/"


def _sam(size: str, file_name: str, bytes_: int, sha256: str) -> ModelEntry:
    return ModelEntry(
        name=f"sam-vit-{size}",
        title=f"SAM ViT-{size.upper()}",
        architecture=f"sam_vit_{size}",
        licence="Apache-2.0",
        source="SAM, Kirillov et al. 2023, arXiv 2304.02643",
        page="https://github.com/facebookresearch/segment-anything",
        trained_on=_SA_1B,
        file_name=file_name,
        urls=(f"{_META}segment_anything/{file_name}",),
        sha256=sha256,
        size=bytes_,
        in_micro_sam=f"models/vit_{size}",
        notes="Wants the whole image; without a GPU a first look takes many seconds.",
    )


def _sam2(size: str, bytes_: int, sha256: str) -> ModelEntry:
    name = size.replace("_", "-")
    return ModelEntry(
        name=f"sam2.1-hiera-{name}",
        title=f"SAM 2.1 {name}",
        architecture=f"sam2_hiera_{size}",
        licence="Apache-2.0",
        source="SAM 2, Ravi et al. 2024, arXiv 2408.00714",
        page="https://github.com/facebookresearch/sam2",
        trained_on=f"{_SA_1B}, SA-V, data of Meta AI",
        file_name=f"sam2.1_hiera_{size}.pt",
        urls=(f"{_META}segment_anything_2/092824/sam2.1_hiera_{size}.pt",),
        sha256=sha256,
        size=bytes_,
        in_micro_sam=f"v2/models/hvit_{size[0]}_sam2.1",
    )


def _micro_sam(size: str, domain: str, trained_on: str, address: str) -> ModelEntry:
    file_name = f"vit_{size}_{domain}"
    return ModelEntry(
        name=f"micro-sam-vit-{size}-{domain.replace('_', '-')}",
        title=f"micro-sam {file_name}",
        architecture="mobile_sam" if size == "t" else f"sam_vit_{size}",
        licence="CC-BY-4.0",
        source="micro-sam, Archit et al. 2025, Nature Methods",
        page=_MICRO_SAM_PAGE,
        trained_on=f"{_SA_1B}; then {trained_on}",
        file_name=file_name,
        urls=(address,),
        in_micro_sam=f"models/{file_name}",
    )


_LIGHT, _ELECTRON = "light microscopy", "organelles in electron microscopy"
_TISSUE, _MEDICAL = "histopathology", "medical images"

_ENTRIES = (
    ModelEntry(
        name=DEFAULT_MODEL,
        title="MobileSAM for microscopy and photos, built in",
        architecture="mobile_sam",
        licence="Apache-2.0",
        source="this project, from MobileSAM, arXiv 2306.14289, by CFR-ICL, arXiv 2303.05620",
        page="https://pypi.org/project/napari-cfr-icl/",
        trained_on="SA-1B; then 20 sets of microscopy and photos",
        sha256="ebc6217dab955b84cd794a9d565ebd7683ff0a5c7ef763039b8f0d3897974eb2",
        size=18_834_306,
        embedded="cfr-icl-mobilesam.safetensors",
        notes="Ships with the plugin. Looks at a picture once: further clicks cost a fraction. "
        "Tuned with ICL and SUEM; sees windows of 448 pixels.",
    ),
    ModelEntry(
        name="cfr-icl-hrnet18",
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
    _sam(
        "b",
        "sam_vit_b_01ec64.pth",
        375_042_383,
        "ec2df62732614e57411cdcf32a23ffdf28910380d03139ee0f4fcbe91eb8c912",
    ),
    _sam(
        "l",
        "sam_vit_l_0b3195.pth",
        1_249_524_607,
        "3adcc4315b642a4d2101128f611684e8734c41232a17c648ed1693702a49a622",
    ),
    _sam(
        "h",
        "sam_vit_h_4b8939.pth",
        2_564_550_879,
        "a7bf3b02f3ebf1267aba913ff637d9a2d5c33d3173bb679e46d9f338c26f262e",
    ),
    _sam2("tiny", 156_000_000, "7402e0d864fa82708a20fbd15bc84245c2f26dff0eb43a4b5b93452deb34be69"),
    _sam2("small", 184_416_285, "6d1aa6f30de5c92224f8172114de081d104bbd23dd9dc5c58996f0cad5dc4d38"),
    _sam2(
        "base_plus",
        324_000_000,
        "a2345aede8715ab1d5d31b4a509fb160c5a4af1970f199d9054ccfb746c004c5",
    ),
    _sam2("large", 898_000_000, "2647878d5dfa5098f2f8649825738a9345572bae2d4350a2468587ece47dd318"),
    _micro_sam("t", "lm", _LIGHT, f"{_BIOIMAGE}faithful-chicken/1.1/files/vit_t.pt"),
    _micro_sam("b", "lm", _LIGHT, f"{_BIOIMAGE}diplomatic-bug/1.1/files/vit_b.pt"),
    _micro_sam("l", "lm", _LIGHT, f"{_BIOIMAGE}idealistic-rat/1.1/files/vit_l.pt"),
    _micro_sam("t", "em_organelles", _ELECTRON, f"{_BIOIMAGE}greedy-whale/1/files/vit_t.pt"),
    _micro_sam("b", "em_organelles", _ELECTRON, f"{_BIOIMAGE}noisy-ox/1/files/vit_b.pt"),
    _micro_sam("l", "em_organelles", _ELECTRON, f"{_BIOIMAGE}humorous-crab/1/files/vit_l.pt"),
    _micro_sam("b", "histopathology", _TISSUE, f"{_OWNCLOUD}sBB4H8CTmIoBZsQ/download"),
    _micro_sam("l", "histopathology", _TISSUE, f"{_OWNCLOUD}IZgnn1cpBq2PHod/download"),
    _micro_sam("h", "histopathology", _TISSUE, f"{_OWNCLOUD}L7AcvVz7DoWJ2RZ/download"),
    _micro_sam("b", "medical_imaging", _MEDICAL, f"{_OWNCLOUD}AB69HGhj8wuozXQ/download"),
    ModelEntry(
        name="micro-sam-hvit-t-cells",
        title="micro-sam hvit_t_cells",
        architecture="sam2_hiera_tiny",
        licence="CC-BY-4.0",
        source="micro-sam, Archit et al. 2025, Nature Methods",
        page=_MICRO_SAM_PAGE,
        trained_on=f"SAM 2.1; then {_LIGHT}",
        file_name="hvit_t_cells",
        in_micro_sam="models/hvit_t_cells",
        notes="Fetched by micro-sam 2, in whose cache it is found; or import the file.",
    ),
)

CATALOGUE: dict[str, ModelEntry] = {entry.name: entry for entry in _ENTRIES}
