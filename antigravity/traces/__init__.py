"""Distributed traces for OpenTelemetry: spans of requests, and their export."""
