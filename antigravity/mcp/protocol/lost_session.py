"""How servers say with a 400 that they do not know a session: the protocol says 404."""

from __future__ import annotations

import re
from typing import Final

from antigravity.mcp.protocol.messages import (
    MalformedMessageError,
    RequestId,
    Response,
    parse_answers,
)

#: As the SDKs write it: "No valid session ID provided", "Server not initialized".
_NAMES_SESSION: Final = re.compile(rb"session|not initiali[sz]ed", re.IGNORECASE)
#: No error message is longer.
_LOOKED_AT: Final = 4096


def names_session(body: bytes) -> bool:
    """Return whether an error is about the session."""
    return _NAMES_SESSION.search(body[:_LOOKED_AT]) is not None


def tells_of_lost_session(body: bytes, about: RequestId | None) -> bool:
    """Return whether a 400 to a request within a session says that there is no such session.

    It does not if it answers the request ``about``, and speaks of something else, nor if that
    was only a notification.
    """
    if names_session(body) or about is None:
        return names_session(body)
    try:
        found = parse_answers(body)
    except MalformedMessageError:
        return True
    return not any(isinstance(one, Response) and one.id == about for one in found)
