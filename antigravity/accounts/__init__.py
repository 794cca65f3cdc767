"""Credentials of upstreams: accounts in files, keys in the configuration, and whose turn it is."""
