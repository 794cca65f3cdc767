"""Thought signatures on the wire.

``thoughtSignature`` is bytes, so its JSON must be base64: some SDKs reject anything else.
Signatures of another family are sealed and then written as base64 of the seal; redacted
thinking is transported the same way, under a family name of its own.
"""

from __future__ import annotations

from typing import Final

from antigravity.ir.capabilities import Capabilities
from antigravity.ir.parts import Thinking
from antigravity.ir.signature import Signature, seal, unseal
from antigravity.protocols import gemini_base64 as base64_text

FAMILY: Final = "gemini"
#: Claude models behind this protocol sign the thought itself, as Claude does everywhere.
CLAUDE: Final = "claude"
_REDACTED: Final = "redacted-"
_SEAL_START: Final = b"ag1."
#: Enough base64 to see whether a seal is inside.
_PEEK: Final = 8


def family_of(capabilities: Capabilities) -> str:
    """Return the family of the signatures that a model makes and accepts."""
    return CLAUDE if capabilities.family == CLAUDE else FAMILY


def to_wire(signature: Signature) -> str:
    """Return the ``thoughtSignature`` that a client can carry."""
    if signature.family == FAMILY and base64_text.is_canonical(signature.value):
        return signature.value
    # A native value that is not base64 is sealed too: no family is native to "".
    return base64_text.encode(seal(signature, "").encode())


def from_wire(text: str) -> Signature:
    """Return the signature in a ``thoughtSignature``; the inverse of :func:`to_wire`."""
    start = base64_text.decode(text[:_PEEK])
    if start is not None and start.startswith(_SEAL_START):
        data = base64_text.decode(text)
        if data is not None:
            return unseal(data.decode("utf-8", "replace"), FAMILY)
    return unseal(text, FAMILY)


def of_redacted(data: str, family: str) -> Signature:
    """Return redacted thinking in the form of a signature."""
    return Signature(data, _REDACTED + family)


def thinking_of(signature: Signature, text: str = "") -> Thinking:
    """Return the thinking for a signature; the inverse of :func:`of_redacted`."""
    if signature.family.startswith(_REDACTED):
        family = signature.family.removeprefix(_REDACTED)
        return Thinking(text, Signature("", family), redacted=signature.value)
    return Thinking(text, signature)


def is_useful_alone(signature: Signature) -> bool:
    """Return whether a signature is of use without the thinking that it belongs to."""
    return signature.family != CLAUDE
