"""`python -m napari_cfr_icl` is the program `napari-cfr-icl`, wherever that lies."""

from napari_cfr_icl.cli import main

if __name__ == "__main__":
    main()
