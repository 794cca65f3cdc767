"""The way to upstreams and to the web: connections, limits, and nothing about protocols."""
