"""Warm-ups: small requests that start the periods of full quotas."""
