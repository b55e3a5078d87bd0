"""How a network runs on a device: precision, fast variants, and the choice among them."""
