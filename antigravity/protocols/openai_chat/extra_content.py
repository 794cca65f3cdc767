"""Google's extension for thought signatures, in requests and in responses."""

from __future__ import annotations

from typing import Any

from antigravity.ir.signature import Signature, seal, unseal


def write_signature(signature: Signature) -> dict[str, Any]:
    """Return ``extra_content`` for a client, sealed if the signature is of another family."""
    return {"google": {"thought_signature": seal(signature, "gemini")}}


def read_signature(extra_content: Any) -> Signature | None:
    """Return the thought signature in ``extra_content``, if there is one."""
    for vendor in ("google", "vertex"):
        extra = extra_content.get(vendor) if isinstance(extra_content, dict) else None
        value = extra.get("thought_signature") if isinstance(extra, dict) else None
        if isinstance(value, str) and value:
            return unseal(value, "gemini")
    return None


def is_thought(extra_content: Any) -> bool:
    """Return whether Google marked a delta's content as a thought."""
    google = extra_content.get("google") if isinstance(extra_content, dict) else None
    return isinstance(google, dict) and google.get("thought") is True
