"""Benchmarks: the cost of the gateway, compared with a plain proxy of Klein and treq."""
