"""The screen: docks, layers, mouse and keys. The only importer of Qt and napari."""
