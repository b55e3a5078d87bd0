"""Finding the other objects of a kind, from a few that the user has finished.

The encoder looks at the picture tile by tile, once (`tiles`). A linear classifier learns from the
finished objects how their kind looks (`appearance`). Where it says so the machine clicks, refines
its mask, and proposes what survives the checks (`finder`, `proposals`).
"""
