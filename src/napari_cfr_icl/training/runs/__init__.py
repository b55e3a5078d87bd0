"""A training run: the loop, its folder, and the gate at its end."""
