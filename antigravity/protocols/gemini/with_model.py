"""Replaces the model in a body, and nothing else.

The model is in the path; only token counts and embeddings name it in the body too.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

import msgspec
from msgspec import Raw

from antigravity.protocols.json_body import load_members

_KEY: Final = re.compile(rb'[ \t\r\n,]*("(?:[^"\\]|\\.)*")[ \t\r\n]*:[ \t\r\n]*', re.DOTALL)
_BETWEEN: Final = re.compile(rb"[ \t\r\n,\[]*")
_WRAPPERS: Final = ("generateContentRequest", "generate_content_request")
_LISTS: Final = ("requests",)
_NAMING: Final = ("model", *_WRAPPERS, *_LISTS)


def with_model(body: bytes, model: str, members: Mapping[str, Raw] | None = None) -> bytes:
    """Return ``body`` with ``model`` wherever it names one.

    ``members`` are those of the body, if they are known.
    """
    if members is None:
        members = load_members(body)
    if not any(name in members for name in _NAMING):
        return body
    named = msgspec.json.encode(f"models/{model}")
    changes = []
    for key, start, end in _member_spans(body, members):
        if key == "model":
            changes.append((start, end, named))
        elif key in _WRAPPERS and body[start : start + 1] == b"{":
            changes.append((start, end, with_model(body[start:end], model)))
        elif key in _LISTS and body[start : start + 1] == b"[":
            changes.append((start, end, _each_with_model(body[start:end], model)))
    for start, end, value in reversed(changes):
        body = body[:start] + value + body[end:]
    return body


def _each_with_model(items: bytes, model: str) -> bytes:
    """Return a list with ``model`` in each of the objects in it."""
    pieces: list[bytes] = []
    copied = 0
    for item in msgspec.json.decode(items, type=list[Raw]):
        match = _BETWEEN.match(items, copied)
        start = match.end() if match is not None else copied
        end = start + memoryview(item).nbytes
        value = items[start:end]
        pieces.append(items[copied:start])
        pieces.append(with_model(value, model) if value[:1] == b"{" else value)
        copied = end
    return b"".join([*pieces, items[copied:]])


def _member_spans(body: bytes, values: Mapping[str, Raw]) -> list[tuple[str, int, int]]:
    """Return name, start and end of each member of an object.

    The decoder returns every value as a slice of the body, so its length is known without
    parsing it.  An object with a duplicate name is not changed.
    """
    found: list[tuple[str, int, int]] = []
    place = body.index(b"{") + 1
    while match := _KEY.match(body, place):
        name = msgspec.json.decode(match[1], type=str)
        place = match.end() + memoryview(values[name]).nbytes
        if body[match.end() : place] != memoryview(values[name]):
            return []
        found.append((name, match.end(), place))
    return found
