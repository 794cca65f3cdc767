"""Scheduled warm-ups: tiny requests, so that the windows of full quotas begin."""
