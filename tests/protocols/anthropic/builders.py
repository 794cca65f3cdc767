"""What the tests of the Anthropic protocol share: calls, contexts, strategies, a strict reader."""

from __future__ import annotations

import itertools
import json
from typing import Any

import msgspec
from hypothesis import strategies as st

from antigravity.ir import events as ev
from antigravity.ir.call import Call, ReplyContext
from antigravity.ir.errors import RateLimitedError
from antigravity.ir.media import InlineData
from antigravity.ir.parts import Citation, SearchResult, WebSearch
from antigravity.ir.request import Request, ThinkingConfig
from antigravity.ir.signature import Signature
from antigravity.ir.usage import Usage
from antigravity.protocols.anthropic.protocol import ANTHROPIC_SERVER
from antigravity.sse import ServerSentEvent, SseDecoder

SERVER = ANTHROPIC_SERVER
MESSAGES, COUNT = SERVER.routes[0], SERVER.routes[1]
LIST, GET = SERVER.routes[3], SERVER.routes[4]


def call(body: Any, route: Any = MESSAGES, query: Any = None) -> Call:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Call(route, {}, query or {}, {}, data, request_id="req_1")


def decode(**body: Any) -> Request:
    return SERVER.decode(call({"model": "m", "max_tokens": 10, "messages": [user("hi")]} | body))


def user(*content: Any) -> dict[str, Any]:
    return {"role": "user", "content": content[0] if len(content) == 1 else list(content)}


def assistant(*content: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": list(content)}


def context(thinking: ThinkingConfig | None = None) -> ReplyContext:
    request = Request("m", (), "anthropic", thinking=thinking or ThinkingConfig("on", 2000))
    numbers = itertools.count()
    return ReplyContext(call({}), request, "m", 0, lambda prefix: f"{prefix}{next(numbers)}")


def stream(events: Any, thinking: ThinkingConfig | None = None) -> bytes:
    encoder = SERVER.encoder(context(thinking))
    return b"".join([encoder.encode(event) for event in events] + [encoder.end()])


def parse(wire: bytes) -> list[tuple[str, Any]]:
    decoder = SseDecoder()
    found: list[ServerSentEvent] = [*decoder.feed(wire), *decoder.close()]
    return [(event.event, json.loads(event.data)) for event in found]


DELTAS = {
    "text_delta": ("text",),
    "citations_delta": ("text",),
    "thinking_delta": ("thinking",),
    "signature_delta": ("thinking",),
    "input_json_delta": ("tool_use", "server_tool_use"),
}


class StrictReader:
    """Reads a stream as strictly as can be.  Knows nothing of the code under test."""

    def __init__(self) -> None:
        self.message: dict[str, Any] | None = None
        self.block: dict[str, Any] | None = None
        self.partial: list[str] = []
        self.signed = self.stopped = self.bare = self.ended = self.failed = False

    def feed(self, name: str, data: Any) -> None:
        assert name == data["type"]
        assert not self.ended, "nothing follows the end"
        if name == "error":
            assert data["error"]["type"]
            assert self.block is None
            self.ended = self.failed = True
        elif name == "message_start":
            assert self.message is None
            self.message = data["message"]
            assert self.message["content"] == []
            assert self.message["usage"]["input_tokens"] >= 0
        else:
            assert self.message is not None
            getattr(self, name)(self.message, data)

    def ping(self, message: Any, data: Any) -> None:
        pass

    def content_block_start(self, message: Any, data: Any) -> None:
        assert self.block is None
        assert not self.stopped
        assert data["index"] == len(message["content"])
        self.block, self.partial, self.signed = data["content_block"], [], False
        message["content"].append(self.block)
        if self.block["type"] in ("tool_use", "server_tool_use"):
            assert self.block["input"] == {}

    def content_block_delta(self, message: Any, data: Any) -> None:
        block, delta = self.block, data["delta"]
        assert block is not None
        assert data["index"] == len(message["content"]) - 1
        assert block["type"] in DELTAS[delta["type"]]
        assert not self.signed, "nothing follows a signature"
        match delta["type"]:
            case "text_delta":
                assert delta["text"]
                block["text"] += delta["text"]
            case "thinking_delta":
                block["thinking"] += delta["thinking"]
            case "signature_delta":
                block["signature"] = delta["signature"]
                self.signed = True
            case "input_json_delta":
                self.partial.append(delta["partial_json"])
            case "citations_delta":
                block.setdefault("citations", []).append(delta["citation"])

    def content_block_stop(self, message: Any, data: Any) -> None:
        block, self.block = self.block, None
        assert block is not None
        assert data["index"] == len(message["content"]) - 1
        if block["type"] in ("tool_use", "server_tool_use"):
            arguments = "".join(self.partial)
            self.bare = self.bare or not arguments
            try:
                block["input"] = json.loads(arguments)
            except ValueError:
                block["input"] = {"raw": arguments}
        if block["type"] == "text":
            assert block["text"]

    def message_delta(self, message: Any, data: Any) -> None:
        assert self.block is None
        assert not self.stopped
        assert data["delta"]["stop_reason"]
        for block in message["content"]:
            if block["type"] == "thinking":
                assert block["signature"]
        self.stopped = True
        message.update(data["delta"], usage=data["usage"])

    def message_stop(self, message: Any, data: Any) -> None:
        assert self.stopped
        assert not self.bare, "in a complete answer, a call without arguments says {}"
        self.ended = True


def read_legal(wire: bytes) -> dict[str, Any] | None:
    """Read a whole stream; return its message, None if it failed as it may."""
    reader = StrictReader()
    for name, data in parse(wire):
        reader.feed(name, data)
    assert reader.ended, "a stream ends explicitly"
    return None if reader.failed else reader.message


text = st.text(max_size=8)
signatures = st.builds(
    Signature,
    st.text("abc=", min_size=1, max_size=5),
    st.sampled_from(["claude", "gemini", "openai"]),
)
searches = st.builds(
    WebSearch,
    st.sampled_from(["srvtoolu_1", "ws-2", ""]),
    st.lists(text, max_size=2).map(tuple),
    st.lists(st.builds(SearchResult, text, text, st.none() | text), max_size=2).map(tuple),
    st.none() | st.sampled_from(["unavailable", "odd"]),
)
choices = st.sampled_from([0, 0, 0, 1])
ordinals = st.integers(0, 3)
reasons = st.sampled_from(list(ev.FinishReason.__args__))  # type: ignore[attr-defined]
media = st.builds(
    ev.MediaOutput,
    st.sampled_from(["image/png", "audio/wav"]),
    st.just(InlineData("AA==")),
    st.none(),
    st.none() | st.just("la la"),
)
any_event = st.one_of(
    st.builds(ev.ResponseStart, text, text),
    st.builds(ev.TextDelta, text, choices),
    st.builds(ev.TextSignature, signatures),
    st.builds(ev.ThinkingDelta, text, choices),
    st.builds(ev.ThinkingSignature, signatures),
    st.builds(ev.RedactedThinking, text.filter(bool)),
    st.builds(ev.RefusalDelta, text),
    st.builds(
        ev.ToolCallStart,
        ordinals,
        st.text("ab_1", min_size=1, max_size=4),
        st.sampled_from(["get", "put"]),
        st.sampled_from(["function", "function", "custom"]),
        st.none(),
        st.none() | signatures,
    ),
    st.builds(ev.ToolCallDelta, ordinals, st.sampled_from(["", "{", '"a":1', "}", "{}"])),
    st.builds(ev.ToolCallEnd, ordinals),
    media,
    st.builds(ev.WebSearchEvent, searches),
    st.builds(ev.CitationEvent, st.builds(Citation, text, text)),
    st.builds(ev.LogprobsDelta, st.just([])),
    st.builds(ev.UsageUpdate, st.builds(Usage, st.integers(0, 9), output=st.integers(0, 9))),
    st.builds(ev.Finish, reasons, st.none() | text, st.none() | text, choices),
    st.just(ev.StreamFailure(RateLimitedError("slow down"))),
)
thinking_configs = st.sampled_from(
    [
        ThinkingConfig(),
        ThinkingConfig("off"),
        ThinkingConfig("on", 2000),
        ThinkingConfig("adaptive", include=False),
        ThinkingConfig("adaptive", include=True),
    ]
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | text,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(text, inner, max_size=2),
    max_leaves=4,
)
json_objects = st.dictionaries(text, json_values, max_size=2)
argument_texts = json_objects.map(lambda value: msgspec.json.encode(value).decode())


@st.composite
def valid_events(draw: Any) -> list[ev.Event]:
    """A legal sequence, as an upstream's decoder gives it; parallel calls interleave."""
    found: list[ev.Event] = [ev.ResponseStart("r", "m")]
    number = 0
    kinds = st.sampled_from(["text", "think", "redact", "calls", "search", "cited", "media"])
    for kind in draw(st.lists(kinds, max_size=6)):
        if kind == "text":
            found += [ev.TextDelta(piece) for piece in draw(st.lists(text, max_size=3))]
        elif kind == "think":
            found += [ev.ThinkingDelta(piece) for piece in draw(st.lists(text, max_size=3))]
            found.append(ev.ThinkingSignature(draw(signatures)))
        elif kind == "redact":
            found.append(ev.RedactedThinking("blob", family=draw(st.sampled_from(["claude", "x"]))))
        elif kind == "media":
            found.append(ev.MediaOutput("image/png", InlineData("AA==")))
        elif kind == "search":
            one = WebSearch(f"srvtoolu_{number}", ("q",), (SearchResult("http://a", "A", "enc"),))
            number += 1
            found.append(ev.WebSearchEvent(one))
        elif kind == "cited":
            found.append(ev.TextDelta("cited "))
            found.append(ev.CitationEvent(Citation("http://a", "A")))
        else:
            found += draw(parallel_calls(number))
            number += 2
    if draw(st.booleans()):
        found.append(ev.RefusalDelta("no"))
    found.append(ev.UsageUpdate(Usage(10, 3, 2, 7, 4)))
    found.append(ev.Finish(draw(reasons), None, None))
    return found


@st.composite
def parallel_calls(draw: Any, first: int) -> list[ev.Event]:
    """Two calls whose events interleave in any way that keeps the order within each."""
    lanes: list[list[ev.Event]] = []
    for number in (first, first + 1):
        arguments = draw(argument_texts)
        cut = draw(st.integers(0, len(arguments)))
        signature = draw(st.none() | signatures)
        lane: list[ev.Event] = [
            ev.ToolCallStart(number, f"toolu_{number}", "get", signature=signature),
            ev.ToolCallDelta(number, arguments[:cut]),
            ev.ToolCallDelta(number, arguments[cut:]),
            ev.ToolCallEnd(number),
        ]
        lanes.append(lane)
    found = [lanes[0].pop(0), lanes[1].pop(0)]
    while lanes[0] or lanes[1]:
        lane = draw(st.sampled_from([lane for lane in lanes if lane]))
        found.append(lane.pop(0))
    return found
