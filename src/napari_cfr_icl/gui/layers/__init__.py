"""napari layers as planes in (row, column), and back."""
