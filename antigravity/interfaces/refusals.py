"""What people read about kinds of errors, and about requests that were refused.  Pure."""

from __future__ import annotations

import re
from typing import Final

#: Kinds whose name does not say enough.
_TEXTS: Final = {
    "invalid_api_key": "missing or wrong API key",
    "permission denied": "forbidden host or origin",
    "no such method": "wrong method",
    "path_not_found": "unknown path",
}
#: Kinds of errors whose names are adjectives or nouns alone.
_ERRORS: Final = {
    "upstream": "upstream failed",
    "upstream credential": "credential refused",
    "unavailable": "not available",
    "deadline": "time limit",
    "context length": "too long",
    "authentication": "wrong key",
}
_CAPITAL: Final = re.compile(r"(?<=[a-z])(?=[A-Z])")


def describe_refusal(kind: str) -> str:
    """Return the text for the code or the class of a refusal, such as ``unknown path``."""
    if kind in _TEXTS:
        return _TEXTS[kind]
    words = _words(kind)
    return _TEXTS.get(words, words)


def describe_error_kind(kind: str) -> str:
    """Return the text for the class of an error, such as ``rate limited``."""
    words = _words(kind)
    return _ERRORS.get(words, words)


def _words(kind: str) -> str:
    return _CAPITAL.sub(" ", kind.removesuffix("Error")).replace("_", " ").lower()
