"""Thought signatures in ``encrypted_content``, the only opaque field that clients send back.

A signature of another family is sealed (``ir.signature``).  The field also carries, each with a
prefix, encrypted thinking as a whole, and the signature of the text or image *before* the item.
"""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

from antigravity.ir.signature import Signature, seal, unseal

FAMILY: Final = "openai"
_REDACTED: Final = "redacted."
_TRAILING: Final = "trailing."


class Unsealed(NamedTuple):
    """Value of an ``encrypted_content``.

    ``thinking``: the signature of the item's own reasoning.  ``redacted``: the value is the
    encrypted reasoning itself.  ``trailing``: the signature belongs to the part before.
    """

    kind: Literal["thinking", "redacted", "trailing"]
    signature: Signature


def seal_thinking(signature: Signature) -> str:
    """Return the text for the signature of a piece of reasoning."""
    return seal(signature, FAMILY)


def seal_redacted(data: str, family: str) -> str:
    """Return the text for encrypted reasoning; OpenAI's own needs no prefix."""
    return data if family == FAMILY else seal(Signature(_REDACTED + data, family), "")


def seal_trailing(signature: Signature) -> str:
    """Return the text for the signature of the text or image before the item."""
    return seal(Signature(_TRAILING + signature.value, signature.family), "")


def read_encrypted(text: str) -> Unsealed:
    """Return the value of a text from one of the functions above, or from OpenAI."""
    signature = unseal(text, FAMILY)
    if signature.value.startswith(_REDACTED):
        value = signature.value.removeprefix(_REDACTED)
        return Unsealed("redacted", Signature(value, signature.family))
    if signature.value.startswith(_TRAILING):
        value = signature.value.removeprefix(_TRAILING)
        return Unsealed("trailing", Signature(value, signature.family))
    return Unsealed("thinking", signature)
