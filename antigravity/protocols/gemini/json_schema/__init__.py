"""JSON Schema and Gemini's dialect of it: translate, clean, and repair arguments by it.

Every function distinguishes schemas from maps of properties, so a property *named* ``type``
or ``enum`` is never taken for a keyword.
"""
