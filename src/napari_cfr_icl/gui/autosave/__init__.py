"""Autosave, recovery, session files and exports of the open viewer."""
