"""Thought signatures: opaque proofs of thinking that only the model family that made them accepts.

A signature that reaches a client in a foreign protocol is *sealed*: prefixed with its
family, so that the family is still known when the client sends it back, also after a
restart.  A signature without a seal belongs to the protocol's native family.
"""

from __future__ import annotations

from typing import Final

from msgspec import Struct

_SEAL: Final = "ag1."
#: The beginnings of JSON strings with a sealed signature, plain and in Base64.
_SEALED: Final = b'"ag1.'
_SEALED_BASE64: Final = b'"YWcxL'


class Signature(Struct, frozen=True, gc=False):
    """One signature and the model family (``gemini``, ``claude``, ``openai``) that made it."""

    value: str
    family: str


def seal(signature: Signature, native_family: str) -> str:
    """Return the text for a client whose protocol belongs to ``native_family``."""
    if signature.family == native_family:
        return signature.value
    return f"{_SEAL}{signature.family}.{signature.value}"


def unseal(text: str, native_family: str) -> Signature:
    """Return the signature in a text that a client sent back; the inverse of :func:`seal`."""
    if text.startswith(_SEAL):
        family, dot, value = text[len(_SEAL) :].partition(".")
        if dot and family:
            return Signature(value, family)
    return Signature(text, native_family)


#: The placeholder if a protocol requires a signature and the model made none.
UNSIGNED: Final = seal(Signature("", "unsigned"), "")


def has_seals(body: bytes) -> bool:
    """Return whether a JSON text has signatures that are sealed, which only this gateway reads."""
    return body.find(_SEALED) >= 0 or body.find(_SEALED_BASE64) >= 0
