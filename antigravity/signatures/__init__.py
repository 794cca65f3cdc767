"""Thought signatures that clients have no field for: kept here, put back where they belong."""
