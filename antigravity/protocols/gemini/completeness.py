"""Finds fields that older clients omit from their histories and newer models require.

Only the names of fields are searched, so that a complete body is not decoded.  Inside text
the quotes around a name are escaped; this is checked after a match, because a pattern that
begins with plain text is forty times as fast.
"""

from __future__ import annotations

import re
from typing import Final

from antigravity.ir.call import Call
from antigravity.ir.capabilities import Capabilities
from antigravity.protocols.gemini.image_request import can_pass_through, outputs_images

_CALL: Final = re.compile(rb'"function(?:Call|_call)"\s*:')
_RESPONSE: Final = re.compile(rb'"function(?:Response|_response)"\s*:')
_SIGNATURE: Final = re.compile(rb'"thought(?:Signature|_signature)"\s*:')
_BACKSLASH: Final = ord("\\")
_ID: Final = re.compile(rb'"id"\s*:\s*"[^"]')


def is_complete(call: Call, capabilities: Capabilities) -> bool:
    """Return whether a request can pass unchanged to a model with ``capabilities``.

    Calls need a signature if the model requires one; at Claude models, each call and response
    needs an id.  A request to a model with image output must not have fields that Code Assist
    rejects.
    """
    body = call.body
    if outputs_images(capabilities):
        return can_pass_through(body)
    if capabilities.requires_signatures:
        return not _count(_CALL, body) or bool(_count(_SIGNATURE, body))
    if capabilities.family == "claude":
        named = _count(_CALL, body) + _count(_RESPONSE, body)
        return named == 0 or _count(_ID, body) >= named
    return True


def _count(pattern: re.Pattern[bytes], body: bytes) -> int:
    """Return how often a name occurs outside text."""
    return sum(body[match.start() - 1] != _BACKSLASH for match in pattern.finditer(body))
