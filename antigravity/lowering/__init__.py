"""Passes that fit a request to its target, and put the answer back into the client's words.

Pure functions from representation to representation: no protocol appears here.
"""
