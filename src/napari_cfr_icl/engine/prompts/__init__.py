"""Rough strokes of a hand, as the clicks and the previous mask that a network takes. No torch."""
