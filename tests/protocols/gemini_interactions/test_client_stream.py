"""Responses of upstreams that speak Interactions: events, whole interactions, errors, taps."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antigravity.ir import events as ev
from antigravity.ir.capabilities import Target
from antigravity.ir.errors import GatewayError, RateLimitedError, UpstreamError
from antigravity.ir.media import FileReference, InlineData, UrlSource
from antigravity.ir.parts import Citation, Opaque, SearchResult, Text, Thinking, WebSearch
from antigravity.ir.request import Request
from antigravity.ir.response import Choice, fold
from antigravity.ir.signature import Signature
from antigravity.ir.usage import Usage
from antigravity.sse import ServerSentEvent
from tests.protocols.gemini_interactions.builders import CLIENT

USAGE = {
    "total_input_tokens": 10,
    "total_cached_tokens": 4,
    "total_output_tokens": 5,
    "total_thought_tokens": 2,
    "total_tool_use_tokens": 3,
    "total_tokens": 20,
    "input_tokens_by_modality": [{"modality": "IMAGE", "tokens": 6}],
    "grounding_tool_count": [{"type": "google_search", "count": 2}],
}


def read(*wires: Any, name: bool = True) -> list[Any]:
    """Return the events of a stream."""
    decoder = CLIENT.decoder(Request("m", (), CLIENT.name), Target("m"))
    found: list[Any] = []
    for wire in wires:
        data = wire if isinstance(wire, bytes) else json.dumps(wire).encode()
        kind = wire.get("event_type", "") if name and isinstance(wire, dict) else ""
        found += decoder.decode(ServerSentEvent(kind, data))
    return [*found, *decoder.close()]


def stream(*steps: list[Any], status: str = "completed", **ended: Any) -> list[Any]:
    """Return the wire of a stream: each step is its beginning and its deltas."""
    head = {"id": "v1_1", "status": "in_progress", "model": "up"}
    wires: list[Any] = [
        {"event_type": "interaction.created", "interaction": head},
        {"event_type": "interaction.status_update", "interaction_id": "v1_1", "status": "queued"},
    ]
    for index, (step, *deltas) in enumerate(steps):
        wires.append({"event_type": "step.start", "index": index, "step": step})
        for delta in deltas:
            wires.append({"event_type": "step.delta", "index": index, "delta": delta})
        wires.append({"event_type": "step.stop", "index": index})
    interaction = {"id": "v1_1", "status": status, "usage": USAGE, **ended}
    return [*wires, {"event_type": "interaction.completed", "interaction": interaction}, b"[DONE]"]


def choice(*steps: list[Any], **more: Any) -> Choice:
    """Return what a stream of steps means."""
    return fold(read(*stream(*steps, **more))).choices[0]


def text(value: str) -> dict[str, Any]:
    return {"type": "text", "text": value}


def whole(*steps: Any, status: str = "completed", **more: Any) -> dict[str, Any]:
    return {"id": "v1_1", "object": "interaction", "status": status, "steps": steps, **more}


def test_stream_has_id_usage_and_finish() -> None:
    found = fold(read(*stream([{"type": "model_output"}, text("Hel"), text("lo")])))
    assert (found.id, found.model) == ("v1_1", "up")
    assert found.choices[0].text == "Hello"
    assert (found.choices[0].finish, found.choices[0].native_finish) == ("stop", "completed")
    assert found.usage == Usage(
        input_total=13, cached=4, output=7, reasoning=2, tool_input=3, searches=2, image_input=6
    )


def test_thought_is_signed_at_its_end() -> None:
    piece = {"type": "thought_summary", "content": text("Hm")}
    signed = {"type": "thought_signature", "signature": "c2ln"}
    for deltas in ([piece, signed], [signed, piece]):
        found = choice([{"type": "thought"}, *deltas], [{"type": "model_output"}, text("ok")])
        assert found.parts == (Thinking("Hm", Signature("c2ln", "gemini")), Text("ok"))


def test_arguments_are_whole_or_in_pieces() -> None:
    call = {"type": "function_call", "id": "c1", "name": "f", "arguments": {"a": [1]}}
    empty = {**call, "arguments": {}}
    pieces = [{"type": "arguments_delta", "arguments": each} for each in ('{"a"', ":[1]}")]
    for step in ([call], [empty, *pieces], [{**call, "arguments": '{"a":[1]}'}]):
        found = choice(step)
        assert [json.loads(each.arguments) for each in found.tool_calls] == [{"a": [1]}]
        assert found.finish == "tool_calls"
    assert [each.arguments for each in choice([empty]).tool_calls] == ["{}"]


def test_calls_get_ids_of_their_own() -> None:
    call = {"type": "function_call", "id": "c1", "name": "f", "arguments": {}}
    nameless = {"type": "function_call", "name": "f", "arguments": {}}
    ids = [each.id for each in choice([call], [call], [nameless]).tool_calls]
    assert ids[0] == "c1"
    assert len(set(ids)) == 3
    assert all(ids)


def test_offsets_of_citations_count_characters_of_response() -> None:
    note = {"type": "url_citation", "url": "https://x.org", "start_index": 0, "end_index": 3}
    place = {"type": "place_citation", "url": "https://maps.org", "name": "Café"}
    found = choice(
        [{"type": "model_output"}, text("Zürich. ")],
        [
            {"type": "model_output"},
            text("Zü"),
            {"type": "text_annotation_delta", "annotations": [note, place, {"type": "new"}]},
        ],
    )
    citations = [each for part in found.parts if isinstance(part, Text) for each in part.citations]
    assert citations == [
        Citation("https://x.org", start=8, end=10),
        Citation("https://maps.org", "Café"),
    ]


def test_media_of_all_kinds() -> None:
    step = [
        {"type": "model_output"},
        {"type": "image", "data": "AAAA", "mime_type": "image/jpeg"},
        {"type": "audio", "data": "AAAA", "mime_type": "audio/l16", "sample_rate": 24000},
        {"type": "video", "uri": "https://x.googleapis.com/files/a", "mime_type": "video/mp4"},
        {"type": "document", "uri": "https://x.org/a.pdf"},
        {"type": "image", "data": "not base64!"},
    ]
    found = [event for event in read(*stream(step)) if isinstance(event, ev.MediaOutput)]
    assert [(each.mime_type, each.source) for each in found] == [
        ("image/jpeg", InlineData("AAAA")),
        ("audio/L16;codec=pcm;rate=24000", InlineData("AAAA")),
        ("video/mp4", FileReference("https://x.googleapis.com/files/a", "google")),
        ("application/pdf", UrlSource("https://x.org/a.pdf")),
    ]


def test_search_is_reported_once_with_its_results() -> None:
    search = {"type": "google_search_call", "id": "s1", "arguments": {}}
    asked = {"type": "google_search_call", "arguments": {"queries": ["q"]}}
    page = {"url": "https://x.org", "title": "X"}
    result = {"type": "google_search_result", "call_id": "s1", "result": [page]}
    output = [{"type": "model_output"}, text("ok")]
    events = read(*stream([search, asked], [result], output))
    searches = [event.search for event in events if isinstance(event, ev.WebSearchEvent)]
    assert searches == [WebSearch("s1", ("q",), (SearchResult("https://x.org", "X"),))]
    events = read(*stream([search, asked], output))
    assert [type(event) for event in events][1:3] == [ev.WebSearchEvent, ev.TextDelta]


@pytest.mark.parametrize(
    "kind",
    [
        "code_execution",
        "url_context",
        "file_search",
        "google_maps",
        "mcp_server_tool",
        "retrieval",
        "processing",
        "tool_search",
        "tool_of_next_year",
    ],
)
def test_steps_of_hosted_tools_are_kept(kind: str) -> None:
    call = {"type": f"{kind}_call", "id": "x", "arguments": {}}
    asked = {"type": f"{kind}_call", "arguments": {"code": "1"}, "signature": "c2ln"}
    result = {"type": f"{kind}_result", "call_id": "x", "result": "a"}
    more = {"type": f"{kind}_result", "result": "b", "is_error": False}
    found = choice([call, asked], [result, more], [{"type": "model_output"}, text("ok")])
    assert found.parts[:2] == (
        Opaque(
            CLIENT.name, call["type"], {**call, "arguments": {"code": "1"}, "signature": "c2ln"}
        ),
        Opaque(CLIENT.name, result["type"], {**result, "result": "ab", "is_error": False}),
    )


def test_code_is_markdown_for_clients_of_other_protocols() -> None:
    arguments = {"code": "print(1)\n", "language": "PYTHON"}
    call = {"type": "code_execution_call", "id": "x", "arguments": arguments}
    result = {"type": "code_execution_result", "call_id": "x", "result": "1\n"}
    note = {"type": "url_citation", "url": "https://x.org", "start_index": 0, "end_index": 2}
    said = {"type": "text", "text": "ok", "annotations": [note]}
    body = whole(call, result, {"type": "model_output", "content": [said]})
    decoder = CLIENT.decoder(Request("m", (), "openai_chat"), Target("m"))
    events = decoder.decode(ServerSentEvent("", json.dumps(body).encode()))
    (found,) = fold(events).choices
    code = "\n```python\nprint(1)\n```\n\n```\n1\n```\n"
    assert found.text == f"{code}ok"
    (cited,) = [each for part in found.parts if isinstance(part, Text) for each in part.citations]
    assert (cited.start, cited.end) == (len(code), len(code) + 2)


def test_input_that_is_repeated_is_no_output() -> None:
    steps = [
        {"type": "user_input", "content": [text("hi")]},
        {"type": "function_result", "call_id": "c", "result": "x"},
        {"type": "model_output", "content": [text("one "), text("two")]},
    ]
    for wires in ([whole(*steps)], stream(*([step] for step in steps))):
        assert fold(read(*wires)).choices[0].text == "one two"


def test_whole_interaction() -> None:
    found = fold(
        read(
            whole(
                {"type": "thought", "summary": [text("Hm")], "signature": "c2ln"},
                {"type": "function_call", "id": "c", "name": "f", "arguments": {"a": 1}},
                status="requires_action",
                usage=USAGE,
            )
        )
    )
    assert found.choices[0].finish == "tool_calls"
    assert found.usage.output == 7
    assert [type(part).__name__ for part in found.choices[0].parts] == ["Thinking", "ToolCall"]


@pytest.mark.parametrize(
    ("status", "errors", "finish"),
    [
        ("completed", None, "stop"),
        ("incomplete", None, "length"),
        ("incomplete", [{"code": "safety", "message": "x"}], "content_filter"),
        ("incomplete", [{"code": "content_filter", "message": "x"}], "content_filter"),
        ("budget_exceeded", None, "length"),
        ("requires_continuation", None, "length"),
    ],
)
def test_ends(status: str, errors: Any, finish: str) -> None:
    step = [{"type": "model_output"}, text("a")]
    assert choice(step, status=status, errors=errors).finish == finish
    assert fold(read(whole(step[0], status=status, errors=errors))).choices[0].finish == finish


@pytest.mark.parametrize("status", ["failed", "cancelled", "in_progress", "queued"])
def test_interaction_that_failed_or_still_runs(status: str) -> None:
    for wires in (stream(status=status), [whole(status=status)]):
        with pytest.raises(UpstreamError):
            fold(read(*wires))


def test_errors() -> None:
    limit = {"message": "Slow down.", "code": "resource_exhausted"}
    with pytest.raises(RateLimitedError, match="Slow down"):
        fold(read({"event_type": "error", "error": limit}))
    with pytest.raises(RateLimitedError):
        fold(read(whole(status="failed", errors=[limit])))
    body = json.dumps({"error": limit}).encode()
    assert isinstance(CLIENT.decode_error(429, {}, body), RateLimitedError)
    for broken in (b"{", b"[1]", b"<html>"):
        with pytest.raises(GatewayError):
            fold(read(broken))


def test_stream_without_its_end_is_incomplete() -> None:
    wires = stream([{"type": "model_output"}, text("a")])[:-2]
    with pytest.raises(UpstreamError):
        fold(read(*wires))
    update = {"event_type": "interaction.status_update", "status": "completed"}
    assert fold(read(*wires, update)).choices[0].text == "a"


def test_events_without_names_are_read_by_their_type() -> None:
    wires = stream([{"type": "model_output"}, text("a")])
    assert read(*wires, name=False) == read(*wires)


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(
                ["type", "text", "content", "id", "arguments", "result", "summary", "annotations"]
            ),
            inner | st.sampled_from(["text", "image", "url_citation"]),
            max_size=4,
        )
    ),
    max_leaves=8,
)
_STEPS = st.sampled_from(
    ["model_output", "thought", "function_call", "google_search_call", "google_search_result",
     "code_execution_call", "code_execution_result", "user_input", "new_call"]
)  # fmt: skip
_EVENTS = st.fixed_dictionaries(
    {
        "event_type": st.sampled_from(
            ["step.start", "step.delta", "step.stop", "interaction.status_update", "new"]
        ),
        "index": st.integers(0, 1) | _VALUES,
        "step": st.builds(dict, type=_STEPS, content=_VALUES, result=_VALUES, arguments=_VALUES),
        "delta": st.builds(dict, type=_STEPS, text=_VALUES, result=_VALUES, annotations=_VALUES),
        "interaction": _VALUES,
        "status": _VALUES,
    }
)


@pytest.mark.parametrize(
    "step",
    [
        {"type": "model_output", "content": [{"type": []}]},
        {"type": "google_search_call", "arguments": {"queries": 5}},
        {"type": "model_output", "content": [{"type": "text", "text": "x", "annotations": [5]}]},
    ],
)
def test_members_of_wrong_types_are_ignored(step: Any) -> None:
    found = read(*stream([step]))
    assert isinstance(found[-1], ev.Finish)


def test_whole_interaction_with_broken_text_is_read() -> None:
    step = {"type": "model_output", "content": [{"type": "text", "text": "a?b"}]}
    body = json.dumps(
        {"id": "v1_1", "object": "interaction", "status": "completed", "steps": [step]}
    )
    found = read(body.encode().replace(b"?", b"\xff"))
    assert ev.TextDelta("a\ufffdb") in found


@given(events=st.lists(_EVENTS, max_size=8), ended=_VALUES)
def test_decoder_and_tap_raise_nothing(events: list[Any], ended: Any) -> None:
    last = {"event_type": "interaction.completed", "interaction": ended}
    found = read(*events, last)
    assert isinstance(found[-1], ev.Finish | ev.StreamFailure)
    watch(*events, last)


def watch(*wires: Any, name: bool = True) -> Any:
    tap = CLIENT.tap()
    ids: list[str] = []
    tap.on_response_id(ids.append)
    for wire in wires:
        data = wire if isinstance(wire, bytes) else json.dumps(wire).encode()
        kind = wire.get("event_type", "") if name and isinstance(wire, dict) else ""
        tap.watch(ServerSentEvent(kind, data))
    return tap, ids


@pytest.mark.parametrize("name", [True, False])
def test_tap_finds_id_usage_and_end(name: bool) -> None:
    wires = stream([{"type": "model_output"}, text("a")])
    tap, ids = watch(*wires, name=name)
    assert ids == ["v1_1"]
    assert (tap.finished, tap.meaningful, tap.failure, tap.usage.output) == (True, True, None, 7)
    tap, _ = watch(*wires[:3], name=name)
    assert (tap.finished, tap.meaningful) == (False, False)


def test_tap_is_not_deceived_by_arguments() -> None:
    arguments = {"event_type": "interaction.completed", "error": {"message": "x"}}
    step = {"type": "function_call", "id": "c", "name": "f", "arguments": arguments}
    wire = {"index": 0, "step": step, "event_type": "step.start"}
    tap, _ = watch(json.dumps(wire).encode())
    assert (tap.finished, tap.failure, tap.meaningful) == (False, None, True)


def test_tap_finds_failures() -> None:
    tap, _ = watch({"event_type": "error", "error": {"message": "No.", "code": "unavailable"}})
    assert tap.failure is not None
    tap, _ = watch(*stream(status="failed"))
    assert tap.failure is not None
    body = json.dumps(whole(usage=USAGE)).encode()
    usage = CLIENT.decode_usage(body)
    assert usage is not None
    assert usage.output == 7
