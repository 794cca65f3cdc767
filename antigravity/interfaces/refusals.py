"""What people read about requests that were refused before they were admitted.  Pure."""

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
_CAPITAL: Final = re.compile(r"(?<=[a-z])(?=[A-Z])")


def describe_refusal(kind: str) -> str:
    """Return the text for the code or the class of an error, such as ``unknown path``."""
    if kind in _TEXTS:
        return _TEXTS[kind]
    words = _CAPITAL.sub(" ", kind.removesuffix("Error")).replace("_", " ").lower()
    return _TEXTS.get(words, words)
