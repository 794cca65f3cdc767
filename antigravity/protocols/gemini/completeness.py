"""What older clients leave out of their histories, and newer models refuse to do without.

Only the names of fields are looked for: a body that is complete passes without being decoded.
Inside of text the quotes around a name would be escaped.
"""

from __future__ import annotations

import re
from typing import Final

from antigravity.ir.capabilities import Capabilities

_CALL: Final = re.compile(rb'(?<!\\)"function(?:Call|_call)"\s*:')
_SIGNATURE: Final = re.compile(rb'(?<!\\)"thought(?:Signature|_signature)"\s*:')
_ID: Final = re.compile(rb'(?<!\\)"id"\s*:\s*"[^"]')


def is_complete(body: bytes, capabilities: Capabilities) -> bool:
    """Return whether a request may pass as it is to a model of such ``capabilities``.

    One with calls may not where signatures are demanded and it has none, nor without ids
    where Claude stands behind the protocol.
    """
    if capabilities.requires_signatures:
        wanted = _SIGNATURE
    elif capabilities.family == "claude":
        wanted = _ID
    else:
        return True
    return _CALL.search(body) is None or wanted.search(body) is not None
