"""Arguments of tool calls, which are JSON objects in this protocol."""

from __future__ import annotations

import msgspec

from antigravity.ir.surrogates import repair_surrogates_in_text
from antigravity.protocols.tool_arguments import object_text, wrap_broken


def encode_text(text: str) -> bytes:
    """Return ``text`` as a JSON string; lone surrogates are replaced."""
    try:
        return msgspec.json.encode(text)
    except UnicodeEncodeError:
        return msgspec.json.encode(repair_surrogates_in_text(text))


def wrap_text(text: str) -> str:
    """Return the JSON object that wraps the free text of a custom tool's call."""
    return f'{{"input":{encode_text(text).decode()}}}'


def as_object(arguments: str) -> str:
    """Return arguments as the text of a JSON object, which wraps them if they are not one."""
    found = object_text(arguments)
    return wrap_broken(arguments) if found is None else found
