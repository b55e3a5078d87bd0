"""The dock "Tune refinement"."""
