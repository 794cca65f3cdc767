"""How large a request is."""
