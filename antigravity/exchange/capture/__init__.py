"""Captures what is sent and received for requests, where the operator has switched that on."""
