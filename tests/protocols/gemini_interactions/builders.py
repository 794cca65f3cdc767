"""What the tests of Interactions share: a checker of streams that knows no encoder."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from typing import Any

from antigravity.ir import events as ev
from antigravity.ir.call import Call, ReplyContext
from antigravity.ir.request import Request
from antigravity.protocols.gemini.protocol import GEMINI_CLIENT
from antigravity.protocols.gemini_interactions.client import interactions_client
from antigravity.protocols.gemini_interactions.protocol import GEMINI_INTERACTIONS_SERVER
from antigravity.sse import SseDecoder

Json = dict[str, Any]

SERVER = GEMINI_INTERACTIONS_SERVER
CLIENT: Any = interactions_client(GEMINI_CLIENT)
ROUTE = SERVER.routes[0]
SUMMARIES = {"generation_config": {"thinking_summaries": "auto"}}


def call(body: Any) -> Call:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Call(route=ROUTE, arguments={}, query={}, headers={}, body=data)


def decode(body: Any) -> Request:
    if isinstance(body, dict):
        body = {"model": "m", "input": "hi", **body}
    return SERVER.decode(call(body))


def context(body: Json | None = None) -> ReplyContext:
    counter = itertools.count()
    whole = {"model": "m", "input": "hi", **(SUMMARIES if body is None else body)}
    return ReplyContext(
        call=call(whole),
        request=decode(whole),
        model="m",
        created=1_700_000_000,
        new_id=lambda prefix: f"{prefix}{next(counter):024d}",
    )


def stream(events: Sequence[Any], body: Json | None = None) -> tuple[bytes, Json | None]:
    """Return the bytes of a stream, and its final interaction."""
    encoder = SERVER.encoder(context(body))
    wire = b"".join(encoder.encode(event) for event in events) + encoder.end()
    assert encoder.end() == b""
    assert encoder.encode(ev.TextDelta("late")) == b""
    assert encoder.keepalive() == b""
    final = encoder.final_response  # type: ignore[attr-defined]
    return wire, None if final is None else json.loads(final)


def parse(wire: bytes) -> list[Json]:
    """Return the events of a stream; their names and types must agree, and the last is special."""
    decoder = SseDecoder()
    *events, last = decoder.feed(wire) + decoder.close()
    assert (last.event, last.data) == ("done", b"[DONE]")
    parsed = []
    for event in events:
        data = json.loads(event.data)
        assert event.event == data["event_type"]
        parsed.append(data)
    return parsed


class Checker:
    """Follows a stream by the rules of the protocol and builds its steps from deltas alone."""

    def __init__(self, events: list[Json]) -> None:
        self.events = events
        self.steps: list[Json] = []
        self.open: Json | None = None
        self.arguments = ""

    def check(self) -> list[Json]:
        """Assert that the stream is legal; return the steps that its deltas make."""
        first, last = self.events[0], self.events[-1]
        assert last["event_type"] in ("interaction.completed", "error")
        if first["event_type"] == "error":
            assert len(self.events) == 1
            return []
        assert first["event_type"] == "interaction.created"
        assert first["interaction"]["status"] == "in_progress"
        start = 1
        if self.events[1]["event_type"] == "interaction.status_update":
            assert self.events[1]["interaction_id"] == first["interaction"]["id"]
            start = 2
        for event in self.events[start:-1]:
            self.step(event)
        if last["event_type"] == "interaction.completed":
            assert self.open is None
            assert last["interaction"]["id"] == first["interaction"]["id"]
        return self.steps

    def step(self, event: Json) -> None:
        kind = event["event_type"]
        assert event["index"] == len(self.steps)
        if kind == "step.start":
            assert self.open is None
            self.open = dict(event["step"])
            self.arguments = ""
            return
        assert self.open is not None
        if kind == "step.stop":
            if self.open["type"] == "function_call":
                assert self.open["arguments"] == {}
                self.open["arguments"] = read_arguments(self.arguments)
            if self.open["type"] == "model_output":
                self.open.setdefault("content", [])
            self.steps.append(self.open)
            self.open = None
            return
        assert kind == "step.delta"
        self.delta(self.open, event["delta"])

    def delta(self, step: Json, delta: Json) -> None:
        match step["type"], delta["type"]:
            case "model_output", "text":
                assert delta["text"]
                self.text(step)["text"] += delta["text"]
            case "model_output", "text_annotation_delta":
                text = self.text(step)
                for note in delta["annotations"]:
                    size = len(text["text"].encode())
                    assert 0 <= note["start_index"] <= note["end_index"] <= size
                text.setdefault("annotations", []).extend(delta["annotations"])
            case "model_output", "image" | "audio" | "video" | "document":
                step.setdefault("content", []).append(delta)
            case "thought", "thought_summary":
                summary = step.setdefault("summary", [{"type": "text", "text": ""}])
                summary[0]["text"] += delta["content"]["text"]
            case "thought", "thought_signature":
                assert "signature" not in step
                step["signature"] = delta["signature"]
            case "function_call", "arguments_delta":
                self.arguments += delta["arguments"]
            case found:
                raise AssertionError(found)

    @staticmethod
    def text(step: Json) -> Json:
        """Return the text that deltas add to: the last content, or a new one."""
        contents = step.setdefault("content", [])
        if not contents or contents[-1]["type"] != "text":
            contents.append({"type": "text", "text": ""})
        text: Json = contents[-1]
        return text


def read_arguments(text: str) -> Any:
    """Return the arguments in a call's deltas, ``None`` if they are not an object."""
    try:
        found = json.loads(text or "{}")
    except ValueError:
        return None
    return found if isinstance(found, dict) else None
