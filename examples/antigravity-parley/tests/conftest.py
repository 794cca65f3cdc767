"""The fixture ``antigravity_gateway``."""

pytest_plugins = ["antigravity.testing"]
