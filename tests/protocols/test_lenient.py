"""``null`` where a member may be missing is read as missing, for every member of every reply."""

from __future__ import annotations

import copy
import json
import re
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import Raw, Struct

from antigravity.ir.capabilities import Target
from antigravity.ir.request import Request
from antigravity.protocols import lenient
from antigravity.protocols.anthropic.protocol import ANTHROPIC_CLIENT
from antigravity.protocols.gemini.embeddings_client import decode as google_vectors
from antigravity.protocols.gemini.protocol import GEMINI_CLIENT
from antigravity.protocols.imagen.client import imagen_client
from antigravity.protocols.openai_chat.protocol import OPENAI_CHAT_CLIENT
from antigravity.protocols.openai_embeddings.client import decode as openai_vectors
from antigravity.protocols.openai_responses.protocol import OPENAI_RESPONSES_CLIENT
from antigravity.sse import ServerSentEvent
from antigravity.upstreams.codeassist.models import decode_models as assist_models

CLIENTS: dict[str, Any] = {
    client.name: client
    for client in (
        OPENAI_CHAT_CLIENT,
        OPENAI_RESPONSES_CLIENT,
        ANTHROPIC_CLIENT,
        GEMINI_CLIENT,
        imagen_client(GEMINI_CLIENT),
    )
}
TOP = {"token": "b", "logprob": -1.5, "bytes": [98]}
USAGE = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
LOGPROB = {"token": "a", "logprob": -0.5, "bytes": [97], "top_logprobs": [TOP]}
CALL = {"index": 0, "id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
PART = {"type": "output_text", "text": "hi", "annotations": [{"type": "url_citation", "url": "u"}]}
ITEM = {"type": "message", "id": "m", "role": "assistant", "content": [PART]}
SEARCH = {"type": "web_search_call", "id": "w", "status": "completed", "action": {"query": "q"}}
CALLED = {"type": "function_call", "id": "f", "call_id": "c", "name": "f", "arguments": "{}"}
PAGE = {"type": "web_search_result", "url": "u", "title": "t", "encrypted_content": "e"}
QUERY = {"query": "q"}
SEGMENT = {"startIndex": 0, "endIndex": 1}
GROUNDED = {
    "webSearchQueries": ["q"],
    "groundingChunks": [{"web": {"uri": "u", "title": "t"}}],
    "groundingSupports": [
        {"segment": {"startIndex": 0, "endIndex": 1}, "groundingChunkIndices": [0]}
    ],
}
#: Events and whole answers with as many members as they have.
REPLIES: dict[str, list[Any]] = {
    "openai_chat": [
        {
            "id": "c",
            "object": "chat.completion.chunk",
            "model": "m",
            "created": 1,
            "choices": [
                {
                    "index": 0,
                    "delta": {
                        "role": "assistant",
                        "content": "hi",
                        "reasoning_content": "hm",
                        "tool_calls": [CALL],
                        "annotations": [{"type": "url_citation", "url_citation": {"url": "u"}}],
                        "images": [{"image_url": {"url": "data:image/png;base64,AA=="}}],
                        "audio": {"data": "AA==", "transcript": "t"},
                    },
                    "logprobs": {"content": [LOGPROB]},
                    "finish_reason": "stop",
                }
            ],
            "usage": {**USAGE, "prompt_tokens_details": {"cached_tokens": 1}},
        }
    ],
    "openai_responses": [
        {
            "id": "r",
            "object": "response",
            "status": "completed",
            "model": "m",
            "incomplete_details": None,
            "output": [SEARCH, ITEM, CALLED],
            "usage": {"input_tokens": 1, "output_tokens_details": {"reasoning_tokens": 2}},
        },
        {
            "type": "response.output_item.done",
            "output_index": 0,
            "item": {"type": "reasoning", "summary": [{"text": "t"}], "encrypted_content": "e"},
        },
    ],
    "anthropic": [
        {
            "type": "message",
            "id": "m",
            "role": "assistant",
            "model": "m",
            "content": [
                {"type": "thinking", "thinking": "t", "signature": "s"},
                {"type": "redacted_thinking", "data": "d"},
                {"type": "text", "text": "hi", "citations": [{"type": "x", "url": "u"}]},
                {
                    "type": "server_tool_use",
                    "id": "s",
                    "name": "web_search",
                    "input": {"query": "q"},
                },
                {"type": "web_search_tool_result", "tool_use_id": "s", "content": [PAGE]},
                {"type": "tool_use", "id": "t", "name": "f", "input": {"a": None}},
            ],
            "stop_reason": "tool_use",
            "stop_sequence": "x",
            "usage": {
                "input_tokens": 3,
                "cache_read_input_tokens": 1,
                "output_tokens": 2,
                "output_tokens_details": {"thinking_tokens": 1},
                "server_tool_use": {"web_search_requests": 1},
            },
        },
        {
            "type": "message_start",
            "message": {"id": "m", "model": "m", "usage": {"input_tokens": 1}},
        },
        {
            "type": "content_block_start",
            "index": 0,
            "content_block": {"type": "text", "text": "a", "citations": []},
        },
        {
            "type": "content_block_delta",
            "index": 0,
            "delta": {"type": "text_delta", "text": "b", "citation": {"url": "u"}},
        },
        {
            "type": "message_delta",
            "delta": {"stop_reason": "end_turn", "stop_sequence": "x"},
            "usage": {"output_tokens": 1},
        },
    ],
    "gemini": [
        {
            "candidates": [
                {
                    "index": 0,
                    "content": {
                        "role": "model",
                        "parts": [
                            {"text": "a", "thought": True, "thoughtSignature": "cw=="},
                            {"functionCall": {"name": "f", "id": "c", "args": {"a": None}}},
                            {"inlineData": {"mimeType": "image/png", "data": "AA=="}},
                            {"fileData": {"mimeType": "image/png", "fileUri": "u"}},
                            {"executableCode": {"language": "PYTHON", "code": "1"}},
                            {"codeExecutionResult": {"outcome": "OK", "output": "1"}},
                        ],
                    },
                    "finishReason": "STOP",
                    "finishMessage": "m",
                    "groundingMetadata": GROUNDED,
                    "citationMetadata": {"citationSources": [{"uri": "u", "startIndex": 1}]},
                    "logprobsResult": {
                        "chosenCandidates": [{"token": "a", "logProbability": -1.0}],
                        "topCandidates": [{"candidates": [{"token": "a", "logProbability": -1.0}]}],
                    },
                }
            ],
            "promptFeedback": {"blockReason": "", "blockReasonMessage": ""},
            "usageMetadata": {
                "promptTokenCount": 1,
                "totalTokenCount": 2,
                "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 1}],
            },
            "modelVersion": "m",
            "responseId": "r",
            "error": None,
        }
    ],
    "imagen": [
        {"predictions": [{"mimeType": "image/png", "bytesBase64Encoded": "AA=="}]},
        {"predictions": [{"raiFilteredReason": "no"}], "raiFilteredReason": "no"},
    ],
}
#: What the model itself wrote: ``null`` means something there.
OWN = ("input", "args", "arguments")


def paths(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found: list[tuple[Any, ...]] = []
    if isinstance(value, dict):
        for name, inner in value.items():
            found.append((*at, name))
            found += [] if name in OWN else paths(inner, (*at, name))
    elif isinstance(value, list):
        for place, inner in enumerate(value):
            found += paths(inner, (*at, place))
    return found


def changed(value: Any, places: list[tuple[Any, ...]], *, delete: bool) -> Any:
    """Return a copy whose members at ``places`` are ``null``, or are not there."""
    value = copy.deepcopy(value)
    for path in sorted(places, key=len, reverse=True):  # the inner ones first
        inner = value
        for step in path[:-1]:
            inner = inner[step]
        if delete:
            del inner[path[-1]]
        else:
            inner[path[-1]] = None
    return value


def decoded_text(protocol: str, wire: Any, name: str) -> str:
    """Return what a decoder and a tap read from an event, without generated ids."""
    decoder = CLIENTS[protocol].decoder(Request("", (), protocol), Target("m"))
    data = json.dumps(wire).encode()
    events = [*decoder.decode(ServerSentEvent(name, data)), *decoder.close()]
    tap = CLIENTS[protocol].tap()
    tap.watch(ServerSentEvent(name, data))
    decoded = (
        f"{events}{tap.finished}{tap.usage}{tap.failure}{CLIENTS[protocol].decode_usage(data)}"
    )
    return _without_generated_ids(decoded)


def _without_generated_ids(text: str) -> str:
    return re.sub(r"(call_|toolu_|search_|srvtoolu_)[0-9a-f]{12,}", r"\1…", text)


@pytest.mark.parametrize(
    ("protocol", "number"),
    [(protocol, number) for protocol, replies in REPLIES.items() for number in range(len(replies))],
)
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_null_is_read_as_missing_anywhere(protocol: str, number: int, data: st.DataObject) -> None:
    wire = REPLIES[protocol][number]
    name = wire.get("type", "") if protocol in ("anthropic", "openai_responses") else ""
    name = "" if name == "message" else name
    places = data.draw(st.lists(st.sampled_from(paths(wire)), min_size=1, max_size=4, unique=True))
    nulls = decoded_text(protocol, changed(wire, places, delete=False), name)
    assert nulls == decoded_text(protocol, changed(wire, places, delete=True), name)


@pytest.mark.parametrize("protocol", REPLIES)
def test_null_in_each_single_place_is_read_as_missing(protocol: str) -> None:
    for wire in REPLIES[protocol]:
        name = wire.get("type", "") if protocol in ("anthropic", "openai_responses") else ""
        name = "" if name == "message" else name
        for path in paths(wire):
            nulls = decoded_text(protocol, changed(wire, [path], delete=False), name)
            assert nulls == decoded_text(protocol, changed(wire, [path], delete=True), name), path


ERROR = {
    "error": {"message": "m", "type": "rate_limit_error", "code": "c", "param": "p", "details": []},
    "type": "error",
}
LISTS: dict[str, Any] = {
    "openai_chat": {"data": [{"id": "a", "owned_by": "o", "created": 1}], "object": "list"},
    "openai_responses": {"data": [{"id": "a", "owned_by": "o", "created": 1}]},
    "anthropic": {"data": [{"id": "a", "display_name": "A", "created_at": "2025-01-01T00:00:00Z"}]},
    "gemini": {"models": [{"name": "models/a", "displayName": "A", "inputTokenLimit": 1}]},
}


def outcome(function: Any, *arguments: Any) -> str:
    try:
        found = function(*arguments)
    except Exception as error:  # noqa: BLE001 - what matters is that it is the same
        return type(error).__name__
    if isinstance(found, Exception):
        return f"{type(found).__name__} {found} {vars(found)}"
    return repr(found)


@pytest.mark.parametrize("protocol", LISTS)
def test_null_is_read_as_missing_in_errors_and_lists(protocol: str) -> None:
    client = CLIENTS[protocol]
    for path in paths(ERROR):
        versions = [changed(ERROR, [path], delete=delete) for delete in (False, True)]
        bodies = [json.dumps(version).encode() for version in versions]
        decoded = [outcome(client.decode_error, 429, {}, body) for body in bodies]
        assert decoded[0] == decoded[1], path
    for path in paths(LISTS[protocol])[1:]:
        versions = [changed(LISTS[protocol], [path], delete=delete) for delete in (False, True)]
        lists = [outcome(client.decode_models, json.dumps(v).encode()) for v in versions]
        assert lists[0] == lists[1], path


@pytest.mark.parametrize(
    ("function", "wire"),
    [
        (
            lambda body: openai_vectors(body, 1),
            {
                "data": [{"index": 0, "embedding": [0.5]}],
                "usage": {"prompt_tokens": 1},
                "model": "m",
            },
        ),
        (
            lambda body: google_vectors(body, 1),
            {"embeddings": [{"values": [0.5]}], "usageMetadata": {"promptTokenCount": 1}},
        ),
        (assist_models, {"models": {"a": {"displayName": "A", "maxTokens": 1}}}),
    ],
)
def test_null_is_read_as_missing_in_vectors_and_lists_of_code_assist(
    function: Any, wire: Any
) -> None:
    for path in paths(wire)[1:]:
        decoded = [
            outcome(function, json.dumps(changed(wire, [path], delete=delete)).encode())
            for delete in (False, True)
        ]
        assert decoded[0] == decoded[1], path


# -- the reader itself --------------------------------------------------------------------------


class Inner(Struct, frozen=True):
    name: str = "x"
    raw: Raw = Raw(b"{}")


class Outer(Struct, rename="camel"):
    a_number: int = 1
    many: list[Inner] = []
    one: Inner = Inner()
    either: list[Inner] | Inner = []
    free: dict[str, Any] = {}
    named: dict[str, Inner] = {}


def test_only_declared_members_are_left_out() -> None:
    body = (
        b'{"aNumber":null,"many":[{"name":null,"raw":{"k":null,"n":1.50}},null],"one":null,'
        b'"either":{"name":null},"free":{"k":null},"named":{"a":{"name":null}},"unknown":null}'
    )
    found = lenient.decode(body, Outer)
    assert (found.a_number, found.one.name, found.either.name) == (1, "x", "x")
    assert [bytes(each.raw) for each in found.many] == [b'{"k":null,"n":1.50}']
    assert found.free == {"k": None}
    assert found.named["a"].name == "x"


def test_values_of_wrong_type_are_refused() -> None:
    with pytest.raises(msgspec.ValidationError):
        lenient.decode(b'{"aNumber":"x","one":null}', Outer)
    with pytest.raises(msgspec.DecodeError):
        lenient.decode(b'{"aNumber":', Outer)


def test_a_value_that_was_decoded_already_is_converted_alike() -> None:
    assert lenient.convert({"name": None}, Inner).name == "x"
    assert lenient.decode(b'{"aNumber":"5","one":null}', Outer, strict=False).a_number == 5


class _Inner(Struct, frozen=True):
    name: str = ""
    place: int | None = None


class _Outer(Struct):
    count: int = 0
    text: str | None = None
    inner: _Inner = _Inner()
    items: list[_Inner] = []
    own: Any = None


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ({"count": "7"}, _Outer(count=7)),
        ({"count": 7.0}, _Outer(count=7)),
        ({"count": ""}, _Outer()),
        ({"count": []}, _Outer()),
        ({"text": 5}, _Outer(text="5")),
        ({"text": True}, _Outer(text="true")),
        ({"text": {"a": 1}}, _Outer(text='{"a": 1}')),
        ({"text": []}, _Outer()),
        ({"inner": []}, _Outer()),
        ({"inner": ""}, _Outer()),
        ({"inner": {"name": 1, "place": "2"}}, _Outer(inner=_Inner("1", 2))),
        ({"items": {"name": "a", "place": None}}, _Outer(items=[_Inner("a")])),
        ({"items": {}}, _Outer()),
        (
            {"items": [{"place": "1"}, None], "own": [None, ""]},
            _Outer(0, None, _Inner(), [_Inner("", 1)], [None, ""]),
        ),
    ],
)
def test_convertible_values_are_converted(written: Any, read: _Outer) -> None:
    assert lenient.decode(json.dumps(written).encode(), _Outer) == read


@pytest.mark.parametrize(
    "written", [{"count": "many"}, {"inner": "x"}, {"items": 5}, {"count": 1.5}]
)
def test_values_that_cannot_be_converted_are_refused(written: Any) -> None:
    with pytest.raises(msgspec.DecodeError):
        lenient.decode(json.dumps(written).encode(), _Outer)


def test_bytes_that_are_no_utf8_are_replaced() -> None:
    assert lenient.decode(b'{"text":"a\xffb\xf0\x9f"}', _Outer).text == "a\ufffdb\ufffd"
