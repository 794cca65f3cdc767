"""The built-in plugins: what the gateway knows, registered the way everybody registers."""
