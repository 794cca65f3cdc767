"""An OAuth 2.1 client: discovery, registration, login, and tokens that are renewed."""
