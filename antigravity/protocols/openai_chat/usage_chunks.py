"""Chunks that report the usage of a stream, for clients that have not asked for it."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from msgspec import Raw

#: Members that say nothing about the response, or that all chunks have.
_ENVELOPE: Final = frozenset(
    ("id", "object", "created", "model", "system_fingerprint", "service_tier", "obfuscation")
)
_Members = dict[str, Raw]


def without_usage(data: bytes, before: bytes) -> bytes | None:
    """Return a chunk without choices as a client sees it that has not asked for usage.

    Usually ``None``: it sees nothing.  Some servers add more, such as the times of llama.cpp or the
    sources of a search.  Then the chunk gets a choice without content in place of the usage,
    because clients that have not asked for usage expect a choice in every chunk.

    :param before: the last chunk with a choice; what it has, too, is no news.
    """
    members, known = _members(data), _members(before)
    news = {
        name: value
        for name, value in members.items()
        if name not in _ENVELOPE and name not in ("choices", "usage") and value != known.get(name)
    }
    if all(bytes(value) == b"null" for value in news.values()):
        return None
    text = bytes(members.get("object", b"")) == b'"text_completion"'
    content: dict[str, Any] = {"text": "", "logprobs": None} if text else {"delta": {}}
    choice = {"index": 0, **content, "finish_reason": None}
    kept: dict[str, Any] = {name: value for name, value in members.items() if name != "usage"}
    return msgspec.json.encode({**kept, "choices": [choice]})


def _members(data: bytes) -> _Members:
    """Return the members of a chunk, none if it cannot be read."""
    try:
        return msgspec.json.decode(data, type=_Members)
    except (ValueError, RecursionError):
        return {}
