"""Segment images in napari by clicking, with Cascade-Forward Refinement (arXiv 2303.05620)."""

__version__ = "0.1.0"
