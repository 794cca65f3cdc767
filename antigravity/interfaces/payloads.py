"""What was sent and received for one request, on its way from the exchange to the ledger.

It still holds secrets: only the writer of the ledger removes them, so nothing else may keep, show
or log it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from msgspec import Struct, field
from zope.interface import Attribute, Interface

Direction = Literal["from_client", "to_upstream", "from_upstream", "to_client"]
Pairs = Sequence[tuple[str, str]]


class NamedValue(Struct, frozen=True):
    """A header, or a parameter of a query."""

    name: str
    value: str


class RawBody(Struct):
    """The bytes of one body, or what was kept of them.

    ``head`` and ``tail`` are its beginning and its end; between them ``size`` says how much is
    missing.  ``is_dropped`` says that there was no room for it.  ``digest`` is the SHA-256 of a
    file, of which nothing else is kept.  ``reserved`` counts the bytes that it occupies.
    """

    head: Sequence[bytes | memoryview] = ()
    tail: Sequence[bytes] = ()
    size: int = 0
    is_dropped: bool = False
    digest: str = ""
    reserved: int = 0

    def __repr__(self) -> str:
        return f"<RawBody of {self.size} bytes>"


class RawMessage(Struct):
    """One request or response, with secrets.

    ``attempt`` is the position of the attempt that it belongs to, where that is known; ``status``
    is that of a response, ``None`` if there was none.
    """

    direction: Direction
    headers: Pairs = ()
    body: RawBody = field(default_factory=RawBody)
    method: str = ""
    url: str = ""
    status: int | None = None
    attempt: int | None = None

    def __repr__(self) -> str:
        return f"<RawMessage {self.direction}>"


class ReplayRoute(Struct, frozen=True):
    """Which route a request came by, so that it can be made again."""

    protocol: str
    method: str
    path: str
    tag: str = ""
    arguments: Mapping[str, str] = {}
    query: Sequence[NamedValue] = ()


class PayloadMessage(Struct, frozen=True):
    """One request or response as it is kept, without secrets.

    ``attempt`` is the position of the attempt that it belongs to, where that is known; ``status``
    is that of a response, ``None`` if there was none.  ``size`` is that of the whole body in bytes.
    ``cut`` counts the bytes that are missing in ``body``, which says where; ``dropped`` says that
    all of it is missing, because there was no room.  ``media`` counts the files that were replaced
    by their type, size and hash.
    """

    direction: Direction
    attempt: int | None
    method: str
    url: str
    status: int | None
    headers: list[NamedValue]
    body: str
    size: int
    cut: int
    media: int
    dropped: bool


class RequestPayloads(Struct, frozen=True):
    """The messages of one request, in the order in which they began.

    ``no_replay`` says why it cannot be sent again, empty if it can.  ``reference`` is that of a
    ``RequestSummary``, empty as long as the request has no row.
    """

    id: str
    messages: list[PayloadMessage]
    route: ReplayRoute
    no_replay: str
    reference: str = ""


class RawPayloads(Struct):
    """All messages of one finished request, in the order in which they began.

    ``started`` is that of its record, in seconds since the epoch: clients choose ids, and may use
    one twice.
    """

    request_id: str
    route: ReplayRoute
    messages: list[RawMessage]
    started: float = 0.0

    @property
    def reserved(self) -> int:
        """How many bytes the messages occupy."""
        return sum(message.body.reserved for message in self.messages)

    def __repr__(self) -> str:
        return f"<RawPayloads of {self.request_id}>"


class IPayloadSink(Interface):
    """Takes the payloads of finished requests.  The memory for all of them is limited."""

    keeps_all = Attribute("Whether those of successful requests are kept.  :type: bool")

    def reserve(size: int) -> bool:
        """Return whether there is room for so many bytes more, which are occupied then."""

    def release(size: int) -> None:
        """Give back so many bytes that were reserved."""

    def put(payloads: RawPayloads) -> None:
        """Take payloads, and the room that was reserved for them."""
