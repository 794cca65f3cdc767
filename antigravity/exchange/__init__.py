"""The life of one request: routing, attempts, commit point, relay, cancellation, record."""
