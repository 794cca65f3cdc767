"""State that a client keeps for the gateway, sealed so that it cannot be changed or shared.

A sealed state is valid for one principal, one request and a short time.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Callable, Mapping
from hashlib import blake2b
from typing import Any, Final

import msgspec

from antigravity.interfaces.mcp_values import McpError
from antigravity.mcp.protocol.messages import INVALID_PARAMS

_TAG: Final = 32
_LONGEST: Final = 1024 * 1024


class StateSealer:
    """Seals with ``key``; ``time`` returns seconds, and a state is valid for ``ttl`` seconds."""

    def __init__(self, key: bytes, time: Callable[[], float], ttl: float = 3600.0) -> None:
        self._key = key
        self._time = time
        self._ttl = ttl

    def seal(self, state: Mapping[str, Any], principal: str, about: bytes) -> str:
        """Return ``state`` as text for the request ``about`` of ``principal``.

        :raises McpError: if it is too large.
        """
        body = msgspec.json.encode([int(self._time() + self._ttl), state])
        if len(body) > _LONGEST:
            raise McpError(INVALID_PARAMS, "The input so far is too large to continue.")
        sealed = self._tag(body, principal, about) + body
        return base64.urlsafe_b64encode(sealed).decode().rstrip("=")

    def open(self, text: object, principal: str, about: bytes) -> dict[str, Any]:
        """Return the state in ``text``.

        :raises McpError: if it was not sealed for this request, or has expired.
        """
        broken = McpError(
            INVALID_PARAMS,
            "The requestState is invalid or expired; send the request again without it.",
        )
        if not isinstance(text, str) or len(text) > 2 * _LONGEST:
            raise broken
        try:
            sealed = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            raise broken from None
        tag, body = sealed[:_TAG], sealed[_TAG:]
        if not hmac.compare_digest(tag, self._tag(body, principal, about)):
            raise broken
        until, state = msgspec.json.decode(body)
        if until < self._time():
            raise broken
        return dict(state)

    def _tag(self, body: bytes, principal: str, about: bytes) -> bytes:
        digest = blake2b(key=self._key, digest_size=_TAG, person=b"mcp-state")
        for piece in (principal.encode(), about, body):
            digest.update(len(piece).to_bytes(8, "big"))
            digest.update(piece)
        return digest.digest()


def about(method: str, params: Mapping[str, Any]) -> bytes:
    """Return the identity of a request: its method and parameters without the input responses.

    :raises McpError: if its arguments are nested too deeply.
    """
    found = {key: params.get(key) for key in ("name", "uri", "arguments")}
    try:
        text = msgspec.json.encode([method, found], order="deterministic")
    except RecursionError:
        raise McpError(INVALID_PARAMS, "The arguments are nested too deeply.") from None
    return blake2b(text, digest_size=32).digest()
