"""JSON with indentation, of bounded length.  Pure.

Indentation makes deeply nested JSON longer by a large factor: 500 KB become gigabytes.
"""

from __future__ import annotations

import json
import re
from typing import Final

import msgspec

_INDENT: Final = "  "
#: The tokens of JSON, without white space between them.
_TOKEN: Final = re.compile(r'"(?:[^"\\]|\\.)*+"|[][{},:]|[^][{},:"\s]+', re.DOTALL)
_OPENING: Final = frozenset("[{")
_CLOSING: Final = frozenset("]}")


def indent_json(text: str, most: int) -> str:
    """Return JSON with line breaks and indents; other text, such as events, as it is.

    The result ends after the token with which it is longer than ``most`` characters.
    """
    try:
        msgspec.json.decode(text.encode(), type=msgspec.Raw)
    except (ValueError, RecursionError):
        return text
    out: list[str] = []
    length = depth = 0
    before = ""
    for found in _TOKEN.finditer(text):
        each = found[0]
        if each in _CLOSING:
            depth -= 1
            part = each if before in _OPENING else f"\n{_INDENT * depth}{each}"
        elif each == ",":
            part = f",\n{_INDENT * depth}"
        elif each == ":":
            part = ": "
        else:
            part = _readable(each)
            if before in _OPENING:
                part = f"\n{_INDENT * depth}{part}"
            if each in _OPENING:
                depth += 1
        out.append(part)
        length += len(part)
        if length > most:
            break
        before = each
    return "".join(out)


def _readable(token: str) -> str:
    """Return a string without needless escape sequences; another token as it is."""
    if "\\u" not in token and "\\/" not in token:
        return token
    return json.dumps(json.loads(token), ensure_ascii=False)
