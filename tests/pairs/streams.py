"""Streams of each protocol, written by its server side and read by its client side."""

from __future__ import annotations

from collections.abc import Sequence

from antigravity.exchange.streams.event_source import EventSource
from antigravity.ir.call import ReplyContext
from antigravity.ir.events import Event
from antigravity.ir.request import Request
from antigravity.ir.response import Response, fold
from antigravity.lowering.pipeline import EventPipeline
from antigravity.sse import SseDecoder
from tests.pairs.client_requests import WRITERS, ClientRequest, Turn, UserText
from tests.support.protocols import CLIENTS, SERVERS, call_of, context, target

ASK = ClientRequest(turns=(Turn((UserText("Hi"),)),), effort="high", tools=("f", "get_x", "a-b"))
PLAIN = ClientRequest(turns=(Turn((UserText("Hi"),)),))
BODIES = {name: write(PLAIN if "completions" in name else ASK) for name, write in WRITERS.items()}
TARGET = target("some-model")
REQUEST = SERVERS["openai_chat"].decode(call_of("openai_chat", BODIES["openai_chat"]))


def reply_context(server: str, *, stream: bool = True) -> ReplyContext:
    return context(server, BODIES[server], stream=stream)


def wire(server: str, events: Sequence[Event]) -> bytes:
    """Return the stream in which a server of a protocol tells events."""
    encoder = SERVERS[server].encoder(reply_context(server))
    return b"".join([*(encoder.encode(event) for event in events), encoder.end()])


def whole_wire(server: str, events: Sequence[Event]) -> bytes:
    """Return the whole response in which a server of a protocol tells events."""
    context_ = reply_context(server, stream=False)
    body: bytes = SERVERS[server].encode_response(fold(events), context_).body
    return body


def source(client: str, request: Request = REQUEST) -> EventSource:
    decoder = CLIENTS[client].decoder(request, TARGET)
    return EventSource(decoder, EventPipeline(()), None, None, lambda: 1)


def read(client: str, data: bytes) -> Response:
    """Return the answer in a stream, as a client of the protocol reads it."""
    decoder = CLIENTS[client].decoder(REQUEST, TARGET)
    frames = SseDecoder()
    events = [e for f in [*frames.feed(data), *frames.close()] for e in decoder.decode(f)]
    return fold([*events, *decoder.close()])
