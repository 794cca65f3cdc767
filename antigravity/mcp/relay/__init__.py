"""Endpoints that hand everything on to a remote MCP server, with a key of ours."""
