"""Attempts to have a request served: accounts, retries, and the two kinds of attempt."""
