"""Evaluation: clicks counted by a robot user, and refinement settings chosen by data."""
