"""Arguments of tool calls as JSON objects, also where a model wrote something else."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from antigravity.ir.surrogates import repair_surrogates_in_json

#: How often an object may have been written as text within a text.
_MOST_LAYERS: Final = 3


def object_text(arguments: str) -> str | None:
    """Return the JSON object that ``arguments`` mean, as text; ``None`` if they mean none.

    Nothing, ``null`` and ``""`` mean an empty object.  An object that was encoded twice, as the
    text of itself, is that object.  What is an object already is returned as it is written, but
    for halves of characters.
    """
    text = arguments
    for _ in range(_MOST_LAYERS + 1):
        text = text.strip()
        if not text:
            return "{}"
        found = _decoded(text)
        if found is None and (repaired := repair_surrogates_in_json(text)) != text:
            text, found = repaired, _decoded(repaired)
        if isinstance(found, dict):
            return text
        if not isinstance(found, str):
            return "{}" if text == "null" else None
        text = found
    return None


def _decoded(text: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except (ValueError, RecursionError):  # UnicodeEncodeError is a ValueError
        return None


def begins_object(arguments: str) -> bool | None:
    """Return whether arguments that are still coming are an object, ``None`` if it is too early."""
    text = arguments.lstrip()
    return text.startswith("{") if text else None
