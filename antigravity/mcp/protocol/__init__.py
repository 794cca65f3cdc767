"""MCP's messages, sans-IO: no framework, no sockets, no clock of its own."""
