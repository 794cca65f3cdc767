"""Requests that clients make on their own: warm-ups, and small tasks in the background."""
