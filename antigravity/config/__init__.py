"""Typed settings, which are validated and replaced as a whole."""
