"""Thought signatures in the ``signature`` of thought steps, the only field for them.

A signature of a text before the step, or encrypted thinking as a whole, is carried the same way,
under a family name of its own.
"""

from __future__ import annotations

from typing import Final

from antigravity.ir.signature import Signature
from antigravity.protocols.gemini_signatures import to_wire

_TRAILING: Final = "trailing-"


def seal_trailing(signature: Signature) -> str:
    """Return the text for the signature of the text or image before the step."""
    return to_wire(Signature(signature.value, _TRAILING + signature.family))


def trailing_of(signature: Signature) -> Signature | None:
    """Return the signature of the text before the step; ``None`` if it belongs to the step."""
    if not signature.family.startswith(_TRAILING):
        return None
    return Signature(signature.value, signature.family.removeprefix(_TRAILING))
