"""HTTP/1.1 client connections: httptools parses, a pool keeps connections, an agent sends."""
