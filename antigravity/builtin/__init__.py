"""The built-in plugins, registered like all others."""
