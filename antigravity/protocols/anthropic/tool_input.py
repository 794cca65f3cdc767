"""Arguments of tool calls: JSON objects on this wire, whatever they were elsewhere."""

from __future__ import annotations

import msgspec

from antigravity.ir.surrogates import repair_surrogates_in_text
from antigravity.protocols.tool_arguments import object_text


def encode_text(text: str) -> bytes:
    """Return a JSON string, also of a text with surrogates that have lost their partner."""
    try:
        return msgspec.json.encode(text)
    except UnicodeEncodeError:
        return msgspec.json.encode(repair_surrogates_in_text(text))


def wrap_text(text: str) -> str:
    """Return the JSON object that wraps the free text of a custom tool's call."""
    return f'{{"input":{encode_text(text).decode()}}}'


def wrap_broken(text: str) -> str:
    """Return the JSON object that wraps arguments which are not an object."""
    return f'{{"raw":{encode_text(text).decode()}}}'


def as_object(arguments: str) -> str:
    """Return arguments as the text of a JSON object, whatever they are."""
    found = object_text(arguments)
    return wrap_broken(arguments) if found is None else found
