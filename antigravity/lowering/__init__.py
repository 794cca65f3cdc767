"""Passes that adapt a request to its target, and the response back to the client's request.

Pure functions from representation to representation: no protocol appears here.
"""
