"""MCP: tools, prompts and resources for clients, in all revisions of the protocol."""
