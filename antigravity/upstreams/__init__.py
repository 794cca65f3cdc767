"""What can serve a request: each kind is protocols, addresses, authentication and quirks."""
