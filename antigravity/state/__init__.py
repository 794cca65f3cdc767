"""Backends of the state that the processes of a gateway share; see ``interfaces/state.py``."""
