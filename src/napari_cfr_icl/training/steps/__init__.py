"""One training step: click sampling, losses, ICL, optimizer."""
