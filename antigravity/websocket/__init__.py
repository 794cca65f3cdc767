"""WebSocket messages for both sides of a connection, sans-IO; imported at first use."""
