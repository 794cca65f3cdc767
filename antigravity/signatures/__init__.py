"""Thought signatures that clients drop: stored here, and restored in later requests."""
