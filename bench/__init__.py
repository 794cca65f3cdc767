"""Benchmarks: what the gateway costs, side by side with the least that Twisted costs."""
