"""The HTTP client: connections to upstreams and to the web, and their limits."""
