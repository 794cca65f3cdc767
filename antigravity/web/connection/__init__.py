"""The server side of HTTP/1.1: connections of clients, directly on Twisted's transports."""
