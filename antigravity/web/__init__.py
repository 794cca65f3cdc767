"""The HTTP server: a request in, a call to the exchange, its reply out."""
