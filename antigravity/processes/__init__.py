"""Programs that run for the gateway, and end with it."""
