"""Arguments of tool calls: JSON objects on this wire, whatever they were elsewhere."""

from __future__ import annotations

from typing import Any

import msgspec


def encode_text(text: str) -> bytes:
    """Return a JSON string, also of a text with surrogates that have lost their partner."""
    try:
        return msgspec.json.encode(text)
    except UnicodeEncodeError:
        mended = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        return msgspec.json.encode(mended)


def wrap_text(text: str) -> str:
    """Return the JSON object that stands for the free text of a custom tool's call."""
    return f'{{"input":{encode_text(text).decode()}}}'


def wrap_broken(text: str) -> str:
    """Return the JSON object that stands for arguments that are none."""
    return f'{{"raw":{encode_text(text).decode()}}}'


def parse(arguments: str) -> dict[str, Any] | None:
    """Return the object in the text of arguments, ``None`` if it is no JSON object."""
    if not arguments.strip():
        return {}
    try:
        return msgspec.json.decode(arguments, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return None
