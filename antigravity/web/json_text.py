"""JSON bodies of clients, made fit for strict readers before anybody looks at them."""

from __future__ import annotations

from typing import Final

from antigravity.ir.surrogates import mend

_MARK: Final = b"\xef\xbb\xbf"


def clean_json(body: bytes) -> bytes:
    """Return a JSON body without a byte-order mark, and with U+FFFD for halves of characters.

    Upstreams refuse both, and so do readers here.  Other bodies are returned as they are; so is,
    without a copy, whatever needs no change.
    """
    if body.startswith(_MARK):
        body = body[len(_MARK) :]
    return mend(body) if body[:64].lstrip()[:1] in (b"{", b"[") else body
