"""Tests of the room workers/, and of gateways with workers in real processes."""
