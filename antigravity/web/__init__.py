"""The door: HTTP in, a call to the exchange, its reply out.  Knows no upstream and no account."""
