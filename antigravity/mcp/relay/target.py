"""A remote server: where it is, with what we come, and which headers travel."""

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
#: What goes up besides all that begins with ``mcp-``.  Credentials are the gateway's business.
_UP: Final = frozenset({"accept", "accept-language", "content-type", _PLACE})
#: What MCP consists of.
_KINDS: Final = ("application/json", "text/event-stream")
#: What comes down besides: never a challenge to log in, cookies, or what is about a connection.
_DOWN: Final = frozenset({"allow", "content-language", "retry-after"})


class RelayTarget(Struct, frozen=True):
    """A server at ``url``; ``headers`` hold its credentials.

    ``name`` is for messages.  ``patience`` is how long an answer may take to begin, and be silent.
    """

    name: str
    url: str
    headers: Headers = ()
    patience: float = 600.0

    def __repr__(self) -> str:
        return f"<RelayTarget {self.name}>"

    def timeouts(self, *, listening: bool) -> Timeouts:
        """Return the limits; who listens may hear nothing for a long time."""
        return Timeouts(first_byte=self.patience, idle=0.0 if listening else self.patience)


def is_listening(method: str, headers: Mapping[str, str]) -> bool:
    """Return whether a request is for a stream of changes, which has no end of its own."""
    return method == "GET" or headers.get("mcp-method", "").strip() == "subscriptions/listen"


def request_headers(remote: RelayTarget, headers: Mapping[str, str], session: str) -> Headers:
    """Return the headers for the server; ``session`` is what it calls the session."""
    own = {name.lower() for name, _ in remote.headers}
    found = [
        (name, value)
        for name, value in headers.items()
        if (name in _UP or name.startswith(_PREFIX)) and name != SESSION and name not in own
    ]
    if not session:  # all clients have one key there: a place alone could be in another's stream
        found = [(name, value) for name, value in found if name != _PLACE]
    if session:
        found.append((SESSION, session))
    return (*found, ("user-agent", USER_AGENT), *remote.headers)


def response_headers(headers: Mapping[str, str]) -> Headers:
    """Return the headers for the client, but for the session's."""
    return tuple(
        (_spelt(name), CREDENTIALS.redact(value))
        for name, value in headers.items()
        if (name in _DOWN or name.startswith(_PREFIX)) and name != SESSION
        if name != "retry-after" or is_retry_after(value)
    )


def kind_of(content_type: str) -> str:
    """Return what an answer is called here: a page of theirs would be one of ours."""
    kind = content_type.partition(";")[0].strip().lower()
    return content_type if kind in _KINDS or not kind else "text/plain; charset=utf-8"


def _spelt(name: str) -> str:
    return "-".join(part.capitalize() for part in name.split("-"))
