"""WebSocket connections to upstreams; imported at first use."""
