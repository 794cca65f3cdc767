"""What older clients leave out of their histories, and newer models refuse to do without.

Only the names of fields are looked for: a body that is complete passes without being decoded.
Inside of text the quotes around a name would be escaped.  A pattern that said so itself could
not begin with plain text, and would look for it forty times as long.
"""

from __future__ import annotations

import re
from typing import Final

from antigravity.ir.capabilities import Capabilities
from antigravity.protocols.gemini.image_request import draws, may_pass

_CALL: Final = re.compile(rb'"function(?:Call|_call)"\s*:')
_RESPONSE: Final = re.compile(rb'"function(?:Response|_response)"\s*:')
_SIGNATURE: Final = re.compile(rb'"thought(?:Signature|_signature)"\s*:')
_BACKSLASH: Final = ord("\\")
_ID: Final = re.compile(rb'"id"\s*:\s*"[^"]')


def is_complete(body: bytes, capabilities: Capabilities) -> bool:
    """Return whether a request may pass as it is to a model of such ``capabilities``.

    One with calls may not where signatures are demanded and it has none, nor with fewer ids
    than calls and responses where Claude stands behind the protocol.  One for a picture may not
    hold what only other models take.
    """
    if draws(capabilities):
        return may_pass(body)
    if capabilities.requires_signatures:
        return not _count(_CALL, body) or bool(_count(_SIGNATURE, body))
    if capabilities.family == "claude":
        named = _count(_CALL, body) + _count(_RESPONSE, body)
        return named == 0 or _count(_ID, body) >= named
    return True


def _count(pattern: re.Pattern[bytes], body: bytes) -> int:
    """Return how often a name stands outside of text; no object begins with one."""
    return sum(body[match.start() - 1] != _BACKSLASH for match in pattern.finditer(body))
