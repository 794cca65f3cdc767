"""Numbers for monitoring systems: what requests did, and how the gateway is."""
