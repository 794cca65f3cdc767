"""What the tests of the Responses protocol share: a checker of streams that knows no encoder."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

from hypothesis import strategies as st
from openai.types.responses import Response as SdkResponse
from openai.types.responses import ResponseStreamEvent
from pydantic import TypeAdapter

from antigravity.ir import events as ev
from antigravity.ir.call import Call, ReplyContext
from antigravity.ir.errors import (
    InvalidRequestError,
    OverloadedError,
    RateLimitedError,
    UpstreamError,
)
from antigravity.ir.events import Event
from antigravity.ir.media import FileReference, InlineData, UrlSource
from antigravity.ir.parts import Citation, SearchResult, WebSearch
from antigravity.ir.request import Request
from antigravity.ir.signature import Signature
from antigravity.ir.usage import Usage
from antigravity.protocols.openai_responses.protocol import (
    OPENAI_RESPONSES_CLIENT,
    OPENAI_RESPONSES_SERVER,
)
from antigravity.sse import ServerSentEvent, SseDecoder

Json = dict[str, Any]

SERVER = OPENAI_RESPONSES_SERVER
CLIENT = OPENAI_RESPONSES_CLIENT
ROUTE = SERVER.routes[0]
SDK_EVENT: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)
SDK_RESPONSE: TypeAdapter[Any] = TypeAdapter(SdkResponse)
TERMINAL = ("response.completed", "response.incomplete", "response.failed", "error")


def recorded() -> list[Json]:
    """Return the bodies that real clients sent, without the notes on what was cut off."""
    path = Path(__file__).with_name("recorded_responses_requests.jsonl")
    lines = path.read_text(encoding="utf-8").splitlines()
    return [without_notes(json.loads(line)["body"]) for line in lines]


def without_notes(value: Any) -> Any:
    """Return a recorded value without the ``<+7 more: ...>`` that stands for list items."""
    if isinstance(value, list):
        return [
            without_notes(item)
            for item in value
            if not (isinstance(item, str) and item.startswith("<+"))
        ]
    if isinstance(value, dict):
        return {name: without_notes(item) for name, item in value.items()}
    return value


def call(body: Any) -> Call:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Call(route=ROUTE, arguments={}, query={}, headers={}, body=data)


def decode(body: Any) -> Request:
    if isinstance(body, dict):
        body = {"model": "m", "input": "hi", **body}
    return SERVER.decode(call(body))


def context(body: Json | None = None) -> ReplyContext:
    counter = itertools.count()
    whole = {"model": "m", "input": "hi", **(body or {})}
    return ReplyContext(
        call=call(whole),
        request=Request("m", (), SERVER.name),
        model="m",
        created=1_700_000_000,
        new_id=lambda prefix: f"{prefix}{next(counter):024d}",
    )


def stream(events: list[Event], body: Json | None = None) -> tuple[bytes, bytes | None]:
    """Return the bytes of a stream, and its final response."""
    encoder = SERVER.encoder(context(body))
    wire = b"".join(encoder.encode(event) for event in events) + encoder.end()
    assert encoder.end() == b""
    assert encoder.encode(ev.TextDelta("late")) == b""
    assert encoder.keepalive() == b""
    return wire, encoder.final_response


def parse(wire: bytes) -> list[Json]:
    """Return the events of a stream; their names and types must agree."""
    decoder = SseDecoder()
    parsed = []
    for event in decoder.feed(wire) + decoder.close():
        data = json.loads(event.data)
        assert event.event == data["type"]
        parsed.append(data)
    return parsed


def back(wire: bytes) -> list[Event]:
    """Return what our own client makes of a stream."""
    decoder = CLIENT.decoder(Request("m", (), CLIENT.name), None)  # type: ignore[arg-type]
    sse = SseDecoder()
    events: list[Event] = []
    for event in sse.feed(wire) + sse.close():
        events += decoder.decode(event)
    return events + list(decoder.close())


def sse(*events: Json) -> list[ServerSentEvent]:
    """Return events as the decoder gets them."""
    return [ServerSentEvent(event["type"], json.dumps(event).encode()) for event in events]


class Checker:
    """Follows a stream by the rules of the protocol and builds its output from deltas alone."""

    def __init__(self, events: list[Json]) -> None:
        self.events = events
        self.items: list[Json] = []
        self.open: Json | None = None
        self.part: Json | None = None
        self.text = ""

    def check(self) -> list[Json]:
        """Assert that the stream is legal; return the items that its deltas make."""
        events = self.events
        assert [event["sequence_number"] for event in events] == list(range(len(events)))
        assert events[-1]["type"] in TERMINAL
        assert not any(event["type"] in TERMINAL for event in events[:-1])
        if events[-1]["type"] == "error":
            assert len(events) == 1
            return []
        assert [event["type"] for event in events[:2]] == [
            "response.created",
            "response.in_progress",
        ]
        ids = {event["response"]["id"] for event in events if "response" in event}
        assert len(ids) == 1
        for event in events[2:-1]:
            self.step(event)
        failed = events[-1]["type"] == "response.failed"
        if self.open is not None:  # only a call may stay open, and only after a failure
            assert failed
            assert self.open["type"] in ("function_call", "custom_tool_call")
        assert len({item["id"] for item in self.items}) == len(self.items)
        return self.items

    def step(self, event: Json) -> None:
        kind = event["type"]
        if kind == "response.output_item.added":
            assert self.open is None
            assert event["output_index"] == len(self.items)
            self.open = dict(event["item"])
            assert self.open.get("status", "in_progress") == "in_progress"
            self.text = ""
            return
        assert self.open is not None
        item = self.open
        if kind == "response.output_item.done":
            assert self.part is None
            final = event["item"]
            assert (final["id"], final["type"]) == (item["id"], item["type"])
            self.compare(item, final)
            self.items.append(final)
            self.open = None
            return
        assert event["item_id"] == item["id"]
        assert event["output_index"] == len(self.items)
        getattr(self, item["type"])(kind.removeprefix("response."), event)

    def compare(self, built: Json, final: Json) -> None:
        """Assert that what the deltas built is the final item."""
        # The phase is often known only when the text has ended.
        ignored = {"status", "encrypted_content", "action", "result", "output_format", "phase"}
        for name in built.keys() | final.keys() - ignored:
            if name not in ignored:
                assert built[name] == final[name], name
        assert final.get("status") != "in_progress"

    def message(self, kind: str, event: Json) -> None:
        assert self.open is not None
        if kind == "content_part.added":
            assert self.part is None
            assert event["content_index"] == len(self.open["content"])
            self.part = dict(event["part"])
            return
        assert self.part is not None
        assert event["content_index"] == len(self.open["content"])
        field = {"output_text": "text", "refusal": "refusal"}[self.part["type"]]
        prefix = self.part["type"]
        if kind == f"{prefix}.delta":
            assert event["delta"]
            self.part[field] += event["delta"]
        elif kind == f"{prefix}.done":
            assert event[field] == self.part[field]
            self.part["done"] = True
            if prefix == "output_text":
                self.part["logprobs"] = event["logprobs"]
        elif kind == "output_text.annotation.added":
            notes = [*self.part["annotations"], event["annotation"]]
            assert event["annotation_index"] == len(notes) - 1
            note = event["annotation"]
            assert 0 <= note["start_index"] <= note["end_index"] <= len(self.part["text"])
            self.part["annotations"] = notes
        else:
            assert kind == "content_part.done", kind
            assert self.part.pop("done")
            assert event["part"] == self.part
            self.open["content"] = [*self.open["content"], event["part"]]
            self.part = None

    def reasoning(self, kind: str, event: Json) -> None:
        assert self.open is not None
        assert event["summary_index"] == 0
        if kind == "reasoning_summary_part.added":
            assert self.part is None
            assert self.open["summary"] == []
            self.part = dict(event["part"])
            return
        assert self.part is not None
        if kind == "reasoning_summary_text.delta":
            self.part["text"] += event["delta"]
        elif kind == "reasoning_summary_text.done":
            assert event["text"] == self.part["text"]
        else:
            assert kind == "reasoning_summary_part.done"
            assert event["part"] == self.part
            self.open["summary"] = [self.part]
            self.part = None

    def _call(self, kind: str, event: Json, prefix: str, field: str) -> None:
        assert self.open is not None
        if kind == f"{prefix}.delta":
            self.open[field] += event["delta"]
        else:
            assert kind == f"{prefix}.done"
            assert event[field] == self.open[field]
            if field == "arguments":  # a required field in openai 2.x
                assert event["name"] == self.open["name"]

    def function_call(self, kind: str, event: Json) -> None:
        self._call(kind, event, "function_call_arguments", "arguments")

    def custom_tool_call(self, kind: str, event: Json) -> None:
        self._call(kind, event, "custom_tool_call_input", "input")

    def web_search_call(self, kind: str, event: Json) -> None:
        self._stages(kind, ("in_progress", "searching", "completed"))

    def image_generation_call(self, kind: str, event: Json) -> None:
        self._stages(kind, ("in_progress", "generating", "completed"))

    def _stages(self, kind: str, stages: tuple[str, ...]) -> None:
        before = self.text.split()
        self.text += f" {kind.rpartition('.')[2]}"
        assert self.text.split() == list(stages[: len(before) + 1])


texts = st.text(st.characters(codec="utf-8", exclude_categories=("Cs",)), max_size=12)
numbers = st.integers(0, 3)
signatures = st.builds(
    Signature, st.text("abcdef0123+/=", min_size=1), st.sampled_from(["gemini", "claude", "openai"])
)
searches = st.builds(
    WebSearch,
    id=st.sampled_from(["ws_a", "ws_b", "srvtoolu_c"]),
    queries=st.lists(texts, max_size=2).map(tuple),
    results=st.lists(st.builds(SearchResult, url=st.just("https://a.example/")), max_size=2).map(
        tuple
    ),
    error=st.none() | st.just("unavailable"),
)
citations = st.builds(
    Citation,
    url=st.just("https://a.example/"),
    title=texts,
    start=st.none() | st.integers(0, 40),
    end=st.none() | st.integers(0, 40),
)
usages = st.builds(
    Usage,
    input_total=st.integers(0, 99),
    cached=st.integers(0, 9),
    cache_write=st.integers(0, 9),
    output=st.integers(0, 99),
    reasoning=st.integers(0, 9),
)
errors = st.sampled_from(
    [
        UpstreamError("broken"),
        OverloadedError("busy"),
        RateLimitedError("slower", retry_after=2.5),
        InvalidRequestError("no", param="input"),
    ]
)
#: Any event at all, in any order: what no well-behaved upstream would send too.
anything: st.SearchStrategy[Event] = st.one_of(
    st.builds(ev.ResponseStart, st.just("x"), st.just("y")),
    st.builds(ev.TextDelta, texts, choice=st.integers(0, 1)),
    st.builds(ev.TextSignature, signatures),
    st.builds(ev.ThinkingDelta, texts),
    st.builds(ev.ThinkingSignature, signatures),
    st.builds(
        ev.RedactedThinking,
        st.text("abc", min_size=1),
        family=st.sampled_from(["claude", "openai"]),
    ),
    st.builds(ev.RefusalDelta, texts),
    st.builds(
        ev.ToolCallStart,
        numbers,
        st.sampled_from(["call_a", "call_b", "call_c"]),
        st.sampled_from(["f", "g"]),
        kind=st.sampled_from(["function", "custom"]),
        namespace=st.none() | st.just("mcp__x"),
        signature=st.none() | signatures,
    ),
    st.builds(ev.ToolCallDelta, numbers, texts),
    st.builds(ev.ToolCallEnd, numbers),
    st.builds(
        ev.MediaOutput,
        st.sampled_from(["image/png", "audio/wav"]),
        st.sampled_from(
            [InlineData("aGk="), UrlSource("https://a.example/b"), FileReference("f", "google")]
        ),
        signature=st.none() | signatures,
        transcript=st.none() | texts,
    ),
    st.builds(ev.WebSearchEvent, searches),
    st.builds(ev.CitationEvent, citations),
    st.builds(
        ev.LogprobsDelta,
        st.just([{"token": "é", "logprob": -0.5, "bytes": None, "top_logprobs": []}]),
    ),
    st.builds(ev.UsageUpdate, usages),
    st.builds(
        ev.Finish,
        st.sampled_from(
            [
                "stop",
                "length",
                "stop_sequence",
                "tool_calls",
                "content_filter",
                "refusal",
                "pause",
            ]
        ),
        choice=st.integers(0, 1),
    ),
)
any_sequence: st.SearchStrategy[list[Event]] = st.tuples(
    st.lists(anything, max_size=25),
    st.lists(
        st.builds(ev.StreamFailure, errors) | st.builds(ev.Finish, st.just("stop")), max_size=1
    ),
).map(lambda pair: pair[0] + pair[1])
