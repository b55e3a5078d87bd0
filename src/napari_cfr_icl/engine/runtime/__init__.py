"""Execution of a network on a device: precision, fast variants, and the choice among them."""
