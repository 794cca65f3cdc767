"""Endpoints that relay all messages to a remote MCP server, with the gateway's key."""
