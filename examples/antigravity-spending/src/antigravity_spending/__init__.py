"""A page of the dashboard and an MCP tool that show what was spent today."""
