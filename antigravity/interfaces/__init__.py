"""Contracts between rooms and with plugins, split by subject."""
