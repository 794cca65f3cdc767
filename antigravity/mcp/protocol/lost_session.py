"""Detect servers that report an unknown session with status 400 instead of 404."""

from __future__ import annotations

import re
from typing import Final

from antigravity.mcp.protocol.messages import (
    MalformedMessageError,
    RequestId,
    Response,
    parse_responses,
)

#: The SDKs' messages are "No valid session ID provided" and "Server not initialized".
_NAMES_SESSION: Final = re.compile(rb"session|not initiali[sz]ed", re.IGNORECASE)
#: The number of bytes of an error message that are examined.
_EXAMINED: Final = 4096


def mentions_session(body: bytes) -> bool:
    """Return whether an error mentions the session."""
    return _NAMES_SESSION.search(body[:_EXAMINED]) is not None


def reports_lost_session(body: bytes, about: RequestId | None) -> bool:
    """Return whether a 400 to a request within a session means that the session is unknown.

    It does not if the error is the response to the request ``about`` and concerns something
    else, nor if the request was only a notification.
    """
    if mentions_session(body) or about is None:
        return mentions_session(body)
    try:
        found = parse_responses(body)
    except MalformedMessageError:
        return True
    return not any(isinstance(one, Response) and one.id == about for one in found)
