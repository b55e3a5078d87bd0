"""The dock "Segment with clicks" with its controller, and the demo."""
