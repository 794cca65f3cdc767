"""Recognition of requests that clients make on their own: warm-ups and background tasks."""
