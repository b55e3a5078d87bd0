"""Readers of the field's data sets, one file per family, and of folders of your own."""

from napari_cfr_icl.evaluation.datasets.formats import FORMATS, ReaderOptions, open_dataset

__all__ = ["FORMATS", "ReaderOptions", "open_dataset"]
