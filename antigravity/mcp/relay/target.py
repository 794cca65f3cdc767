"""A remote server: its address, credentials, and the headers that are relayed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from msgspec import Struct

from antigravity.interfaces.transport import Timeouts
from antigravity.ir.delays import is_retry_after
from antigravity.redaction.credentials import CREDENTIALS
from antigravity.version import USER_AGENT

Headers = tuple[tuple[str, str], ...]

SESSION: Final = "mcp-session-id"
_PREFIX: Final = "mcp-"
_PLACE: Final = "last-event-id"
#: Request headers that are relayed besides ``mcp-*``.  The credentials are the gateway's own.
_UP: Final = frozenset({"accept", "accept-language", "content-type", _PLACE})
#: The content types of MCP.
_KINDS: Final = ("application/json", "text/event-stream")
#: Response headers that are relayed: no login challenge, no cookies, no connection headers.
_DOWN: Final = frozenset({"allow", "content-language", "retry-after"})


class RelayTarget(Struct, frozen=True):
    """A server at ``url``; ``headers`` hold its credentials.

    ``name`` is for messages.  ``timeout`` limits the seconds of silence before and in a response.
    """

    name: str
    url: str
    headers: Headers = ()
    timeout: float = 600.0

    def __repr__(self) -> str:
        return f"<RelayTarget {self.name}>"

    def timeouts(self, *, listening: bool) -> Timeouts:
        """Return the time limits; a stream of changes may be silent for any time."""
        return Timeouts(first_byte=self.timeout, idle=0.0 if listening else self.timeout)


def is_listening(method: str, headers: Mapping[str, str]) -> bool:
    """Return whether a request opens a stream of changes, which does not end by itself."""
    return method == "GET" or headers.get("mcp-method", "").strip() == "subscriptions/listen"


def request_headers(remote: RelayTarget, headers: Mapping[str, str], session: str) -> Headers:
    """Return the headers for the server; ``session`` is its own session id."""
    own = {name.lower() for name, _ in remote.headers}
    found = [
        (name, value)
        for name, value in headers.items()
        if (name in _UP or name.startswith(_PREFIX)) and name != SESSION and name not in own
    ]
    if (
        not session
    ):  # all clients share one key: an event id alone could belong to another client's stream
        found = [(name, value) for name, value in found if name != _PLACE]
    if session:
        found.append((SESSION, session))
    return (*found, ("user-agent", USER_AGENT), *remote.headers)


def response_headers(headers: Mapping[str, str]) -> Headers:
    """Return the headers for the client, except the session id."""
    return tuple(
        (_canonical_name(name), CREDENTIALS.redact(value))
        for name, value in headers.items()
        if (name in _DOWN or name.startswith(_PREFIX)) and name != SESSION
        if name != "retry-after" or is_retry_after(value)
    )


def safe_content_type(content_type: str) -> str:
    """Return the content type for the client: HTML becomes plain text, as it would run here."""
    kind = content_type.partition(";")[0].strip().lower()
    return content_type if kind in _KINDS or not kind else "text/plain; charset=utf-8"


def _canonical_name(name: str) -> str:
    return "-".join(part.capitalize() for part in name.split("-"))
