"""An example of a plugin of antigravity."""
