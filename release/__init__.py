"""Build a release and check it; nothing is uploaded: ``make release``."""
