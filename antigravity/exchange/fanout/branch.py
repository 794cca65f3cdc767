"""Stand-ins for the client's protocol in one of several requests that make one reply."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.interfaces import IConsumer
from zope.interface import implementer

from antigravity.exchange.fanout.gathered_stream import GatheredStream
from antigravity.interfaces.protocols import IStreamEncoder
from antigravity.ir.call import HttpReply, ReplyContext
from antigravity.ir.errors import GatewayError
from antigravity.ir.events import Event, StreamFailure
from antigravity.ir.response import Response

#: Takes the events of a branch.
Take = Callable[[Event], None]


class WholeBranch:
    """Keeps the whole answer to one of the requests."""

    keepalive = b""

    def __init__(self, name: str) -> None:
        self.name = name
        self.response = Response()

    def encode_response(self, response: Response, context: ReplyContext) -> HttpReply:
        """Keep an answer."""
        self.response = response
        return HttpReply(200, b"")


class StreamingBranch:
    """Hands on the events of one of the requests, once one of its attempts has begun."""

    keepalive = b""

    def __init__(self, name: str, take: Take) -> None:
        self.name = name
        self._take = take
        self._encoder = _BranchEncoder()

    @property
    def failure(self) -> GatewayError | None:
        """Why the answer broke off, if it did."""
        return self._encoder.failure

    def encoder(self, context: ReplyContext) -> IStreamEncoder:
        """Return the encoder of an attempt; what the one before it held is forgotten."""
        self._encoder = _BranchEncoder()
        encoder: IStreamEncoder = self._encoder
        return encoder

    def release(self) -> None:
        """Hand on what the attempt has said until now, and from now on at once."""
        self._encoder.release(self._take)


@implementer(IStreamEncoder)
class _BranchEncoder:
    """Writes nothing: its events go into a stream that others write to, too."""

    content_type = "text/event-stream"

    def __init__(self) -> None:
        self.failure: GatewayError | None = None
        self._held: list[Event] = []
        self._take: Take | None = None

    def encode(self, event: Event) -> bytes:
        """Hold an event, or hand it on."""
        if isinstance(event, StreamFailure):
            self.failure = event.error
        elif self._take is not None:
            self._take(event)
        else:
            self._held.append(event)
        return b""

    def keepalive(self) -> bytes:
        """Return nothing: the stream is kept alive as a whole."""
        return b""

    def end(self) -> bytes:
        """Return nothing: the stream ends when all its branches have ended."""
        return b""

    def release(self, take: Take) -> None:
        """Hand on everything from now on."""
        held, self._held = self._held, []
        self._take = take
        for event in held:
            take(event)


@implementer(IConsumer)
class Feeding:
    """One of those that write to a stream: it is held while the client does not read."""

    def __init__(self, stream: GatheredStream) -> None:
        self._stream = stream
        self._producer: Any = None

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        """Hold ``producer`` while the client does not read."""
        self._producer = producer
        self._stream.add(producer)

    def unregisterProducer(self) -> None:
        """Hold it no more."""
        producer, self._producer = self._producer, None
        if producer is not None:
            self._stream.remove(producer)

    def write(self, data: bytes) -> None:
        """Write to the stream."""
        self._stream.write(data)
