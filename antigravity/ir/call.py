"""A client's HTTP request as protocols see it: no sockets, no framework."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

from msgspec import Struct, field

from antigravity.ir.audio import NO_RULES, AudioRules
from antigravity.ir.request import Request

Operation = Literal["generate", "count_tokens", "embed", "list_models", "get_model", "stored"]


#: A body in one piece, or in several that need not be copied together.
Body = bytes | tuple[bytes | memoryview, ...]


class Route(Struct, frozen=True):
    """One way into a protocol.

    ``path`` is a pattern of literal segments and ``{name}`` segments.  A name takes one
    segment, or any number of them when written ``{name...}``; a literal may follow it within
    the segment (``{model...}:generateContent``).  ``tag`` tells routes of one operation apart.
    """

    method: Literal["GET", "POST", "DELETE"]
    path: str
    operation: Operation
    tag: str = ""


class Call(Struct, frozen=True):
    """One admitted request, its body complete and decompressed.

    ``arguments`` are the values of the route's names, percent-decoded.  ``headers`` have
    lower-case names and the last value of each, as ``query`` has; credentials and cookies are
    not among them.  ``parameters`` are those of the query as they came, each with its name.
    ``principal`` is an opaque name for the API key that was used, the same for the same key.
    ``base_url`` is where the client finds the gateway.  ``memo`` is where a protocol keeps
    what it has read of a body that is costly to read.  ``audio`` is the operator's.
    """

    route: Route
    arguments: Mapping[str, str]
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    principal: str = ""
    request_id: str = ""
    loopback: bool = True
    base_url: str = ""
    memo: dict[str, Any] = field(default_factory=dict)
    audio: AudioRules = NO_RULES
    parameters: tuple[tuple[str, str], ...] = ()


class Head(Struct, frozen=True):
    """What routing must know of a request before anybody decodes all of it."""

    model: str
    stream: bool


class ReplyContext(Struct, frozen=True):
    """What an encoder of replies must know besides the events.

    ``model`` is the name that the client used.  ``created`` is in seconds since the epoch.
    ``new_id`` returns a fresh identifier with the prefix it is given (``msg_`` and so on).
    ``publish`` takes the type and the base64 text of a file, and returns an address where the
    client can fetch it for a while.  ``now`` returns the time, in seconds since the epoch.
    """

    call: Call
    request: Request
    model: str
    created: int
    new_id: Callable[[str], str]
    publish: Callable[[str, str], str] | None = None
    now: Callable[[], float] | None = None

    def seconds(self) -> int:
        """Return the time in whole seconds since the epoch, never before :attr:`created`."""
        return self.created if self.now is None else max(self.created, int(self.now()))


class HttpReply(Struct, frozen=True):
    """A whole HTTP answer for a client."""

    status: int
    body: bytes
    content_type: str = "application/json"
    headers: tuple[tuple[str, str], ...] = ()


class TokenCount(Struct, frozen=True):
    """The number of input tokens of a request, and whether it was ``upstream`` who counted."""

    input_tokens: int
    source: Literal["upstream", "estimate"] = "estimate"
    cached: int = 0
