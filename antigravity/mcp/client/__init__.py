"""MCP from the other side: how the gateway speaks to servers."""
