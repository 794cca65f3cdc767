"""What MCP says on the wire, sans-IO: no framework, no sockets, no clock of its own."""
