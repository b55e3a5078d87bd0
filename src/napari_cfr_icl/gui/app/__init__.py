"""The controller of a dock, the open docks of a viewer, the demo."""
