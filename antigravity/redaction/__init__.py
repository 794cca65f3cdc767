"""Credentials in use, and how they are taken out of what upstreams say of errors.  Pure."""
