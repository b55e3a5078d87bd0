"""The dock "Segment with clicks" and its panels."""
