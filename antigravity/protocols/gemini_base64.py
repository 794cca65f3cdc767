"""Base64 as clients of Google's protocols write it: either alphabet, with or without padding."""

from __future__ import annotations

import base64
import binascii
from typing import Final

_TO_STANDARD: Final = bytes.maketrans(b"-_", b"+/")
_ALPHABET: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"


def to_standard(text: str) -> str | None:
    """Return base64 text in the standard alphabet with padding, or ``None`` if it is invalid."""
    try:
        data = text.encode("ascii")
    except UnicodeEncodeError:
        return None
    data = data.translate(_TO_STANDARD, b" \t\r\n").rstrip(b"=")
    if data.translate(None, _ALPHABET) or len(data) % 4 == 1:
        return None
    return (data + b"=" * (-len(data) % 4)).decode("ascii")


def decode(text: str) -> bytes | None:
    """Return the decoded bytes of base64 text, or ``None`` if it is invalid."""
    plain = to_standard(text)
    if plain is None:
        return None
    try:
        return base64.b64decode(plain, validate=True)
    except binascii.Error:
        return None


def encode(data: bytes) -> str:
    """Return bytes as standard base64 text."""
    return base64.b64encode(data).decode("ascii")


def is_canonical(text: str) -> bool:
    """Return whether strict decoders accept ``text``: no spaces, stray bits or wrong padding."""
    data = decode(text) if text else None
    if data is None:
        return False
    plain = encode(data)
    written = text.replace("-", "+").replace("_", "/")
    return written in (plain, plain.rstrip("="))
