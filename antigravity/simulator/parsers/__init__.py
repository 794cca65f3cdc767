"""Parsers from a valid request to a view; pure."""
