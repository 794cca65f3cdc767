"""Everything that a plugin of antigravity can be."""
