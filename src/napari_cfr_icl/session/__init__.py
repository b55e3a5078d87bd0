"""What the user is doing: clicks, objects, undo. Knows neither the network nor the screen."""
