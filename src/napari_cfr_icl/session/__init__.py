"""State of the user's work: clicks, objects, undo. Knows neither the network nor the screen."""
