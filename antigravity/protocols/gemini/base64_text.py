"""Base64 as Gemini clients write it: either alphabet, padded or not."""

from __future__ import annotations

import base64
import binascii
from typing import Final

_TO_STANDARD: Final = bytes.maketrans(b"-_", b"+/")
_ALPHABET: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"


def standard(text: str) -> str | None:
    """Return base64 text in the standard alphabet and padded, or ``None`` if it is none."""
    try:
        data = text.encode("ascii")
    except UnicodeEncodeError:
        return None
    data = data.translate(_TO_STANDARD, b" \t\r\n").rstrip(b"=")
    if data.translate(None, _ALPHABET) or len(data) % 4 == 1:
        return None
    return (data + b"=" * (-len(data) % 4)).decode("ascii")


def decode(text: str) -> bytes | None:
    """Return the bytes that base64 text stands for, or ``None`` if it is none."""
    plain = standard(text)
    if plain is None:
        return None
    try:
        return base64.b64decode(plain, validate=True)
    except binascii.Error:
        return None


def encode(data: bytes) -> str:
    """Return bytes as standard base64 text."""
    return base64.b64encode(data).decode("ascii")


def canonical(text: str) -> bool:
    """Return whether strict readers take ``text``: no spaces, no stray bits, right padding."""
    data = decode(text) if text else None
    if data is None:
        return False
    plain = encode(data)
    written = text.replace("-", "+").replace("_", "/")
    return written in (plain, plain.rstrip("="))
