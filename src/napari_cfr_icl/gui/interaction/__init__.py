"""From mouse and keys to the session, and from the session to the screen."""
