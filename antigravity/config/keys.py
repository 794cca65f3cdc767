"""Clean keys, tokens and other values of headers.

Pasted keys often have spaces, line ends, a byte order mark, quotes, the word ``Bearer`` or the name
of a variable or a header around them.  These are removed.  A key that then contains characters
that no key has is refused; the error does not contain its value.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

#: Quotes of several languages.  A selection with the mouse can leave a single one.
_QUOTES: Final = (
    "\"'`\u201c\u201d\u201e\u201f\u2018\u2019\u201a\u00ab\u00bb\u2039\u203a\uff02\uff07"
)
#: Escape sequences for line ends and tabs.
_WRITTEN_OUT: Final = ("\\n", "\\r", "\\t")
_NAME: Final = re.compile(
    r"(?:(?:proxy-)?authorization|x-api-key|api-key|x-goog-api-key)\s*:\s*"
    r"|(?:(?:export|set)\s+|\$env:)?[A-Z][A-Z0-9_]*_(?:KEY|TOKEN|SECRET)\s*=\s*",
    re.IGNORECASE,
)
_SCHEME: Final = re.compile(r"bearer(?:\s*:)?(?:\s+|$)", re.IGNORECASE)
#: Matches most keys, from which there is nothing to remove.
_PLAIN: Final = re.compile(r"(?!bearer$)[A-Za-z0-9_.~+/-]*", re.IGNORECASE)
#: How many layers of such text are removed.
_LAYERS: Final = 8
#: Headers whose whole value is a key.
_KEY_HEADERS: Final = frozenset(
    {"x-api-key", "api-key", "x-goog-api-key", "x-auth-token", "x-access-token"}
)
_SCHEMED_HEADERS: Final = frozenset({"authorization", "proxy-authorization"})
_FOREIGN: Final = "characters that are not ASCII"
_BEARER: Final = re.compile(r"bearer(?:\s|$)", re.IGNORECASE)


class KeyFormatError(ValueError):
    """The text is not a key; the message names the character that it must not contain."""


def trim_key(text: str) -> str:
    """Return ``text`` without quotes, names and spaces that were pasted around a key."""
    if _PLAIN.fullmatch(text):
        return text
    for _ in range(_LAYERS):
        before = text
        text = _without_tail(_trim_ends(text)).strip(_QUOTES)
        if len(text) > 1 and text[0] == "<" and text[-1] == ">":
            text = text[1:-1]
        for pattern in (_NAME, _SCHEME):
            if match := pattern.match(text):
                text = text[match.end() :]
        if text == before:
            break
    return text


def clean_key(text: str) -> str:
    """Return the key in ``text``; it may be empty.

    :raises KeyFormatError: if it contains a character that no key has.
    """
    key = trim_key(text)
    _check(key)
    return key


def clean_header(name: str, value: str) -> str:
    """Return the value of a configured header; keys in it are cleaned.

    :raises KeyFormatError: if it contains a character that cannot be sent.
    """
    text = _trim_ends(value)
    lower = name.strip().lower()
    if lower in _KEY_HEADERS:
        return clean_key(text)
    if lower in _SCHEMED_HEADERS and (_BEARER.match(text) or _BEARER.match(trim_key(text))):
        return f"Bearer {clean_key(text)}"
    if lower in _SCHEMED_HEADERS and text[:1] == text[-1:] == '"':
        text = _trim_ends(text.strip('"'))
    _check(text, allowed=" \t", any_letter=lower not in _SCHEMED_HEADERS)
    return text


def _check(text: str, allowed: str = "", *, any_letter: bool = False) -> None:
    if text.isascii() and text.isprintable() and (allowed or " " not in text):
        return
    for place, letter in enumerate(text, 1):
        if letter in allowed:
            continue
        kind = _fault(letter)
        if kind and not (any_letter and kind == _FOREIGN):
            where = f"U+{ord(letter):04X} at character {place}"
            raise KeyFormatError(f"must not contain {kind} ({where})")


def _fault(letter: str) -> str:
    """Return the class of a character that no key has; empty if it is allowed."""
    if letter.isspace():
        return "spaces or line breaks"
    if unicodedata.category(letter) == "Cf":
        return "invisible characters"
    if letter < " " or "\x7f" <= letter <= "\x9f":
        return "control characters"
    return "" if letter.isascii() else _FOREIGN


def _without_tail(text: str) -> str:
    """Return ``text`` without escaped line ends, and without text after a quoted value."""
    end = len(text)
    while text.endswith(_WRITTEN_OUT, 0, end):
        end -= 2
    text = text[:end]
    value = text.rstrip(",;")
    return value if value != text and value.rstrip()[-1:] in tuple(_QUOTES) else text


def _trim_ends(text: str) -> str:
    """Return ``text`` without white space and invisible characters at its ends."""
    start, end = 0, len(text)
    while start < end and _is_blank(text[start]):
        start += 1
    while end > start and _is_blank(text[end - 1]):
        end -= 1
    return text[start:end]


def _is_blank(letter: str) -> bool:
    return letter.isspace() or unicodedata.category(letter) == "Cf"
