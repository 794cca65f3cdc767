"""Kinds of upstream: each defines protocols, addresses, authentication and quirks."""
