"""The client side of MCP: connections from the gateway to other servers."""
