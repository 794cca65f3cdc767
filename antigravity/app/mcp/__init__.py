"""The MCP endpoints of one gateway: its own, the z.ai relays and the vision tools."""
