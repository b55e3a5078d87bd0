"""The record of the work on an image: event log, journal, session file."""
