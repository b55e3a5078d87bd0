"""The networks: one module for each family."""

from napari_cfr_icl.engine.models.click_model import ClickModel
from napari_cfr_icl.engine.models.families import (
    PUBLISHED,
    build,
    family_of,
    infer_architecture,
)

__all__ = ["PUBLISHED", "ClickModel", "build", "family_of", "infer_architecture"]
