"""Encoders from a script to each protocol, as a response or a stream; pure."""
