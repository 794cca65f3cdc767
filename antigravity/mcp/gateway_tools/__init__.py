"""The gateway's own tools: they say what it does, and why a request was slow or refused."""
