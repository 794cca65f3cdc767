"""Signatures for thinking and tool calls, checked when clients send them back; pure.

A signature holds the family of the model and a digest of the content.  Equal content has
equal signatures, so tests can predict them.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import Any, Final, NamedTuple

_SECRET: Final = b"antigravity simulator"
_MARK: Final = b"sim1"
#: Bytes of a digest, and of the seal at the end.
_DIGEST: Final = 32
_SEAL: Final = 64


class Signature(NamedTuple):
    """The content of a signature: its kind, the digest of the signed content, its binding."""

    kind: str
    digest: bytes
    bound: bytes = b""


def digest(content: Any) -> bytes:
    """Return the digest of a text or a JSON value; equal numbers have equal digests."""
    text = json.dumps(_plain(content), sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


def _plain(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


def sign(kind: str, content: Any, bound: bytes = b"") -> str:
    """Return the signature of ``content``: base64, more than a hundred characters.

    :param bound: what the content is bound to.
    """
    payload = _MARK + kind.encode("ascii").ljust(12) + digest(content) + bound
    return base64.b64encode(payload + _seal(payload)).decode("ascii")


def _seal(payload: bytes) -> bytes:
    return hmac.digest(_SECRET, payload, "sha512")


def parse_signature(signature: str) -> Signature | None:
    """Return the content of a signature, or ``None`` if it is not genuine."""
    try:
        text = signature.replace("-", "+").replace("_", "/")
        raw = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except ValueError:
        return None
    payload, seal = raw[:-_SEAL], raw[-_SEAL:]
    if len(payload) < len(_MARK) + 12 + _DIGEST:
        return None
    if not payload.startswith(_MARK) or not hmac.compare_digest(seal, _seal(payload)):
        return None
    return Signature(payload[4:16].decode("ascii").strip(), payload[16:48], payload[48:])


def is_genuine(signature: str, kind: str, content: Any) -> bool:
    """Return whether the signature is of this kind and belongs to ``content``."""
    found = parse_signature(signature)
    return found is not None and (found.kind, found.digest) == (kind, digest(content))
