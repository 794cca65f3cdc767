"""WebSocket connections; imported at the first upgrade."""
