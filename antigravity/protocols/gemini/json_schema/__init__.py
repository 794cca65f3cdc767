"""JSON Schema and Gemini's dialect of it: translate, clean, and repair arguments by it.  Pure.

Everything here walks schemas and nothing else; it always knows whether it stands in a schema
or in a map of properties, so a property *named* ``type`` or ``enum`` is never a keyword.
"""
