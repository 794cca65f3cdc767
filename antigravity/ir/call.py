"""A client's HTTP request and its reply, independent of the web server."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, Literal

from msgspec import Struct, field

from antigravity.ir.audio import NO_RULES, AudioRules
from antigravity.ir.record import ExchangeRecord
from antigravity.ir.request import Request
from antigravity.ir.socket_turn import SocketTurn

Operation = Literal["generate", "count_tokens", "embed", "list_models", "get_model", "stored"]

#: Operations that ask no model for anything.
READS: Final[tuple[Operation, ...]] = ("list_models", "get_model", "stored")

#: A body in one piece, or in several, which are not joined to save a copy.
Body = bytes | tuple[bytes | memoryview, ...]


class Route(Struct, frozen=True):
    """One route of a protocol.

    ``path`` is a pattern of literal segments and ``{name}`` segments.  A name matches one segment,
    or any number of segments if it is written ``{name...}``.  A literal can follow it within the
    segment (``{model...}:generateContent``).  ``tag`` distinguishes routes of one operation.
    """

    method: Literal["GET", "POST", "DELETE"]
    path: str
    operation: Operation
    tag: str = ""


class Call(Struct, frozen=True):
    """One admitted request, its body complete and decompressed.

    ``arguments`` are the values of the route's names, percent-decoded.  ``headers`` have
    lower-case names.  ``headers`` and ``query`` have the last value of each name, and no
    credentials or cookies.  ``parameters`` are the names and values of the query in their order.
    ``principal`` is an opaque name for the API key that was used, the same for the same key.
    ``base_url`` is the gateway's URL for the client.  A protocol can cache in ``memo`` what it
    has read from the body.  ``audio`` has the settings for audio.  ``arrived`` is when the request
    began to arrive, in seconds of the reactor's clock, if it came over a connection.
    ``take_record`` is called with the record when the exchange has ended; it returns whether the
    record is logged with the HTTP request, and therefore not alone.  ``turn`` is what a request
    over WebSocket has besides.
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
    arrived: float | None = None
    take_record: Callable[[ExchangeRecord], bool] | None = None
    turn: SocketTurn | None = None


class Head(Struct, frozen=True):
    """The part of a request that routing needs before the whole request is decoded."""

    model: str
    stream: bool


class ReplyContext(Struct, frozen=True):
    """What an encoder of replies needs in addition to the events.

    ``model`` is the name that the client used.  ``created`` is in seconds since the epoch.
    ``new_id`` returns a new id with a prefix, such as ``msg_``.  ``publish`` publishes a file,
    given its MIME type and base64 text, and returns a URL that is valid for a limited time.
    ``now`` returns the time in seconds since the epoch.
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
    """A whole HTTP response for a client."""

    status: int
    body: bytes
    content_type: str = "application/json"
    headers: tuple[tuple[str, str], ...] = ()


class TokenCount(Struct, frozen=True):
    """The number of input tokens of a request, and whether the upstream counted them."""

    input_tokens: int
    source: Literal["upstream", "estimate"] = "estimate"
    cached: int = 0
