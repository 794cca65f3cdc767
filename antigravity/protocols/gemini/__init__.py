"""Gemini ``generateContent``: how to serve it, and how to be a client of it.  Sans-IO."""
