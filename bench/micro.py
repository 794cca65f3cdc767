"""Measure the translation of streams and requests in memory: ``python -m bench.micro``.

No sockets: chunks go to a pump, as the HTTP client delivers them, and from it to a consumer.
Figures are CPU time in µs per event: of events that arrive one by one, and of all in one chunk.
"""

from __future__ import annotations

import argparse
import itertools
import json
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

from twisted.internet.task import Clock

from antigravity.exchange.streams.event_source import EventSource
from antigravity.exchange.streams.passed_through import PassedThroughStream, ReframedStream
from antigravity.exchange.streams.pump import Pump
from antigravity.exchange.streams.translated import TranslatedStream, Translator
from antigravity.ir.call import Call, ReplyContext
from antigravity.ir.capabilities import Target
from antigravity.ir.request import Request
from antigravity.lowering.pipeline import lower
from antigravity.protocols.anthropic.protocol import ANTHROPIC_CLIENT, ANTHROPIC_SERVER
from antigravity.protocols.gemini.protocol import GEMINI_CLIENT, GEMINI_SERVER
from antigravity.protocols.openai_chat.protocol import OPENAI_CHAT_CLIENT, OPENAI_CHAT_SERVER
from antigravity.protocols.openai_responses.protocol import (
    OPENAI_RESPONSES_CLIENT,
    OPENAI_RESPONSES_SERVER,
)
from antigravity.routing.capability_table import load_table
from antigravity.signatures.thinking_recovery import SignatureCollector
from antigravity.upstreams.codeassist.envelope import unwrap
from bench.sessions import agent_session

_SERVERS: Final[dict[str, Any]] = {
    "openai": OPENAI_CHAT_SERVER,
    "responses": OPENAI_RESPONSES_SERVER,
    "anthropic": ANTHROPIC_SERVER,
    "gemini": GEMINI_SERVER,
}
_CLIENTS: Final[dict[str, Any]] = {
    "openai": OPENAI_CHAT_CLIENT,
    "responses": OPENAI_RESPONSES_CLIENT,
    "anthropic": ANTHROPIC_CLIENT,
    "gemini": GEMINI_CLIENT,
    "v1internal": GEMINI_CLIENT,
}
_MODELS: Final = {
    "openai": "gpt-4.1",
    "responses": "gpt-5.2",
    "anthropic": "claude-sonnet-4-5",
    "gemini": "gemini-2.5-flash",
    "v1internal": "gemini-2.5-flash",
}
#: Upstream and client of each stream.
STREAMS: Final = (
    ("openai", "openai"),
    ("anthropic", "anthropic"),
    ("gemini", "gemini"),
    ("responses", "responses"),
    ("v1internal", "gemini"),
    ("gemini", "anthropic"),
    ("v1internal", "anthropic"),
    ("gemini", "openai"),
    ("openai", "anthropic"),
    ("anthropic", "openai"),
    ("anthropic", "responses"),
    ("openai", "responses"),
    ("openai", "gemini"),
    ("responses", "anthropic"),
)
REQUESTS: Final = (
    ("anthropic", "gemini"),
    ("anthropic", "openai"),
    ("openai", "anthropic"),
    ("openai", "gemini"),
    ("gemini", "anthropic"),
    ("responses", "anthropic"),
)
_TABLE: Final = load_table(())
_TEXT: Final = "tick and some more words, as many as models send at a time"
_USAGE: Final = {"promptTokenCount": 12, "candidatesTokenCount": 300, "totalTokenCount": 312}
_EVENTS: Final = 64


class _Consumer:
    """The client's connection; it counts bytes."""

    def __init__(self) -> None:
        self.size = 0

    def registerProducer(self, producer: object, streaming: bool) -> None:
        """Do nothing."""

    def unregisterProducer(self) -> None:
        """Do nothing."""

    def write(self, data: bytes) -> None:
        """Count."""
        self.size += len(data)


class _Transport:
    """The upstream's connection, which is never paused."""

    def pauseProducing(self) -> None:
        """Do nothing."""

    resumeProducing = stopProducing = pauseProducing


def _sse(value: dict[str, Any], name: str = "", end: bytes = b"\n") -> bytes:
    head = f"event: {name}".encode() + end if name else b""
    data = json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()
    return head + b"data: " + data + end + end


def _openai(text: str) -> tuple[bytes, bytes]:
    def chunk(delta: object) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": None}
        head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1}
        return _sse({**head, "model": "bench", "choices": [choice]})

    return chunk({"role": "assistant", "content": ""}), chunk({"content": text})


def _anthropic(text: str) -> tuple[bytes, bytes]:
    def event(name: str, **fields: object) -> bytes:
        return _sse({"type": name, **fields}, name)

    head = {"id": "msg_1", "type": "message", "role": "assistant", "model": "bench"}
    usage = {"input_tokens": 12, "output_tokens": 1}
    stop = {"stop_reason": None, "stop_sequence": None}
    first = event("message_start", message={**head, "content": [], **stop, "usage": usage})
    first += event("content_block_start", index=0, content_block={"type": "text", "text": ""})
    delta = {"type": "text_delta", "text": text}
    return first, event("content_block_delta", index=0, delta=delta)


def _gemini(text: str) -> tuple[bytes, bytes]:
    def chunk(part: str) -> bytes:
        return _sse(_gemini_response(part), end=b"\r\n")

    return chunk("Well, "), chunk(text)


def _v1internal(text: str) -> tuple[bytes, bytes]:
    def chunk(part: str) -> bytes:
        return _sse({"response": _gemini_response(part), "traceId": "1"}, end=b"\r\n")

    return chunk("Well, "), chunk(text)


def _gemini_response(text: str) -> dict[str, Any]:
    candidate = {"content": {"role": "model", "parts": [{"text": text}]}, "index": 0}
    head = {"modelVersion": "bench", "responseId": "1"}
    return {"candidates": [candidate], "usageMetadata": _USAGE, **head}


def _responses(text: str) -> tuple[bytes, bytes]:
    def event(name: str, **fields: object) -> bytes:
        return _sse({"type": name, "sequence_number": 3, **fields}, name)

    response = {"id": "resp_1", "object": "response", "model": "bench", "output": []}
    item = {"id": "msg_1", "type": "message", "role": "assistant", "content": []}
    place = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
    first = event("response.created", response=response)
    first += event("response.output_item.added", output_index=0, item=item)
    return first, event("response.output_text.delta", **place, delta=text, logprobs=[])


_WRITERS: Final[dict[str, Callable[[str], tuple[bytes, bytes]]]] = {
    "openai": _openai,
    "anthropic": _anthropic,
    "gemini": _gemini,
    "v1internal": _v1internal,
    "responses": _responses,
}
_ASKS: Final[dict[str, dict[str, Any]]] = {
    "openai": {"model": "m", "stream": True, "messages": [{"role": "user", "content": "Hi"}]},
    "responses": {"model": "m", "stream": True, "input": "Hi"},
    "anthropic": {
        "model": "m",
        "stream": True,
        "max_tokens": 100,
        "messages": [{"role": "user", "content": "Hi"}],
    },
    "gemini": {"contents": [{"role": "user", "parts": [{"text": "Hi"}]}]},
}


def call_of(server: str, body: bytes) -> Call:
    """Return a call for a streamed response."""
    routes = [each for each in _SERVERS[server].routes if each.operation == "generate"]
    if server != "gemini":
        return Call(routes[0], {}, {}, {}, body)
    route = next(each for each in routes if each.tag == "stream")
    return Call(route, {"model": "m"}, {"alt": "sse"}, {}, body)


def _reply_context(server: str) -> ReplyContext:
    call = call_of(server, json.dumps(_ASKS[server]).encode())
    numbers = itertools.count(1)
    request: Request = _SERVERS[server].decode(call)
    return ReplyContext(call, request, "m", 1, lambda prefix: f"{prefix}{next(numbers)}")


def _drop(call_id: str, thinking: object) -> None:
    """Do not store the thinking."""


def translator(upstream: str, client: str) -> Translator:
    """Return what makes a stream of the client's from one of the upstream's."""
    protocol, server, context = _CLIENTS[upstream], _SERVERS[client], _reply_context(client)
    if protocol.name == server.name:
        tap = protocol.tap()
        if hasattr(tap, "collect"):
            tap.collect(SignatureCollector(_drop).feed, "", unsigned=False)
        if upstream == "v1internal":
            failure = server.traits.framing.encode_failure
            return ReframedStream(tap, server.keepalive, unwrap, None, failure)
        return PassedThroughStream(tap, server.keepalive, server.encoder(context))
    target = Target(_MODELS[upstream], _TABLE.capabilities(_MODELS[upstream]))
    lowered = lower(context.request, protocol.traits, target, protocol.name)
    source = EventSource(
        protocol.decoder(lowered.request, target),
        lowered.pipeline,
        unwrap if upstream == "v1internal" else None,
        SignatureCollector(_drop),
        lambda: 1,
    )
    return TranslatedStream(source, server.encoder(context))


def begun_pump(upstream: str, client: str, first: bytes) -> tuple[Pump, _Consumer]:
    """Return the pump of a stream whose first bytes have arrived, and its consumer."""
    pump = Pump(translator(upstream, client), Clock(), 15.0, lambda error: None)
    pump.makeConnection(_Transport())  # type: ignore[no-untyped-call]
    consumer = _Consumer()
    pump.dataReceived(first)
    pump.start(consumer)  # type: ignore[arg-type]
    return pump, consumer


def stream_cost(upstream: str, client: str, chunk_size: int, text: str, rounds: int) -> float:
    """Return the least CPU time of one event in µs, with ``chunk_size`` events in a chunk."""
    first, event = _WRITERS[upstream](text)
    chunks = [event * chunk_size] * max(1, 256 // chunk_size)
    best = float("inf")
    for _ in range(rounds):
        pump, consumer = begun_pump(upstream, client, first + event)
        before = consumer.size
        receive = pump.dataReceived
        start = time.process_time_ns()
        for chunk in chunks:
            receive(chunk)
        used = time.process_time_ns() - start
        if consumer.size <= before or pump.error is not None:
            raise RuntimeError(f"the stream {upstream} to {client} failed: {pump.error}")
        pump.abandon()
        best = min(best, used / (len(chunks) * chunk_size) / 1000)
    return best


def request_cost(client: str, upstream: str, body: bytes, rounds: int) -> float:
    """Return the least CPU time of one request in ms: decoded, lowered and encoded."""
    server, protocol = _SERVERS[client], _CLIENTS[upstream]
    target = Target(_MODELS[upstream], _TABLE.capabilities(_MODELS[upstream]))
    best = float("inf")
    for _ in range(rounds):
        call = call_of(client, body)
        start = time.process_time_ns()
        request = server.decode(call)
        lowered = lower(request, protocol.traits, target, protocol.name)
        protocol.encode(lowered.request, target)
        best = min(best, (time.process_time_ns() - start) / 1e6)
    return best


def _print_streams(names: Sequence[str], rounds: int) -> None:
    print(f"{'stream, µs per event':<28}{'one by one':>12}{'in one chunk':>14}")
    for upstream, client in STREAMS:
        name = f"{upstream} -> {client}"
        if not names or name in names:
            costs = [stream_cost(upstream, client, size, _TEXT, rounds) for size in (1, _EVENTS)]
            print(f"{name:<28}{costs[0]:>12.2f}{costs[1]:>14.2f}")


def _print_requests(rounds: int) -> None:
    turns = (1, 50, 200, 500)
    print(f"{'request, ms (ms per MiB)':<28}" + "".join(f"{f'{n} turns':>18}" for n in turns))
    for client, upstream in REQUESTS:
        cells = []
        for number in turns:
            body = json.dumps(agent_session(client, number)).encode()
            cost = request_cost(client, upstream, body, max(2, rounds * 20 // number))
            cells.append(f"{cost:.2f} ({cost / len(body) * 2**20:.1f})")
        print(f"{f'{client} -> {upstream}':<28}" + "".join(f"{cell:>18}" for cell in cells))


def main() -> None:
    """Print all figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="only these streams, such as 'gemini -> openai'")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--requests", action="store_true", help="requests instead of streams")
    options = parser.parse_args()
    if options.requests:
        _print_requests(options.rounds)
    else:
        _print_streams(options.names, options.rounds)


if __name__ == "__main__":
    main()
