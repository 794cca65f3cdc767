"""Removes the credentials in use from errors, log lines and passed-through events.  Pure."""
