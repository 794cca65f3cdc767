"""Whole replies: answers, counts and models, as the official SDK reads them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from google.genai import types
from hypothesis import given
from hypothesis import strategies as st

from antigravity.ir.call import TokenCount
from antigravity.ir.capabilities import Capabilities, Model
from antigravity.ir.errors import InvalidRequestError, UpstreamError
from antigravity.ir.events import Event, StreamFailure, ToolCallEnd, ToolCallStart
from antigravity.ir.parts import Citation, SearchResult, Text, Thinking, ToolCall, WebSearch
from antigravity.ir.response import Choice, Response, fold
from antigravity.ir.signature import Signature
from antigravity.ir.usage import Usage
from antigravity.protocols.gemini.protocol import GEMINI_CLIENT
from tests.protocols.gemini.builders import (
    SERVER,
    call,
    check_stream,
    chunks_of,
    context,
    events,
    parts_of,
    patient,
    stream,
)


def encode(response: Response, *, include: bool | None = True) -> dict[str, Any]:
    reply = SERVER.encode_response(response, context(include=include))
    assert reply.status == 200
    found: dict[str, Any] = json.loads(reply.body)
    check_stream([found])
    return found


def sane(given_events: list[Event]) -> list[Event]:
    """Return events that a fold takes: calls begin before they go on, nothing fails."""
    begun: set[tuple[int, int]] = set()
    kept: list[Event] = []
    for event in given_events:
        if isinstance(event, StreamFailure):
            continue
        if isinstance(event, ToolCallStart):
            begun.add((event.call, event.choice))
        elif hasattr(event, "call") and (event.call, event.choice) not in begun:
            continue
        if not isinstance(event, ToolCallEnd):
            kept.append(event)
    return kept


@patient
@given(st.lists(events, max_size=12), st.sampled_from([True, None]))
def test_any_response_is_encoded_legally(given_events: list[Event], include: bool | None) -> None:
    encode(fold(sane(given_events)), include=include)


def test_all_parts_of_a_response_are_encoded() -> None:
    choice = Choice(
        (
            Thinking("hm", Signature("c2ln", "gemini")),
            Text("Größe 1", (Citation("http://a", "A", start=0, end=5),)),
            ToolCall("1", "f", '{"a":1}'),
            WebSearch("s", ("q",), (SearchResult("http://a", "A"),)),
        ),
        "tool_calls",
        refusal="no",
        logprobs=({"token": "x", "logprob": -1.0, "top_logprobs": []},),
    )
    response = Response("r", "real", (choice,), Usage(5, output=3))
    shown = encode(response)
    assert parts_of([shown]) == [
        {"text": "hm", "thought": True, "thoughtSignature": "c2ln"},
        {"text": "Größe 1"},
        {"functionCall": {"id": "1", "name": "f", "args": {"a": 1}}},
        {"text": "no"},
    ]
    candidate = shown["candidates"][0]
    assert candidate["groundingMetadata"]["groundingSupports"][0]["segment"]["endIndex"] == 7
    assert candidate["logprobsResult"]["chosenCandidates"]
    assert (shown["responseId"], shown["modelVersion"]) == ("r", "real")
    hidden = encode(response, include=None)
    assert parts_of([hidden])[0] == {"text": "Größe 1", "thoughtSignature": "c2ln"}


def test_empty_response_has_one_part() -> None:
    shown = encode(Response())
    assert shown["candidates"][0]["content"]["parts"] == [{"text": ""}]
    assert shown["responseId"] == "fresh"


def test_token_counts_have_geminis_shape() -> None:
    made = call({}, path="/v1beta/models/m:countTokens")
    assert json.loads(SERVER.encode_count(TokenCount(7), made).body) == {"totalTokens": 7}
    shown = json.loads(SERVER.encode_count(TokenCount(7, cached=2), made).body)
    assert types.CountTokensResponse.model_validate(shown).cached_content_token_count == 2


MODELS = [Model(f"m{n}", f"Model {n}", input_token_limit=9) for n in range(5)]


def listed(query: str = "") -> dict[str, Any]:
    made = call({}, path="/v1beta/models", query=query, method="GET")
    found: dict[str, Any] = json.loads(SERVER.encode_models(MODELS, made).body)
    return found


def test_models_are_paged() -> None:
    assert [model["name"] for model in listed()["models"]] == [f"models/m{n}" for n in range(5)]
    assert "nextPageToken" not in listed()
    names, token = [], ""
    while True:
        page = listed(f"pageSize=2&pageToken={token}" if token else "pageSize=2")
        names += [model["name"] for model in page["models"]]
        token = page.get("nextPageToken", "")
        if not token:
            break
    assert names == [f"models/m{n}" for n in range(5)]
    for query in ("pageSize=x", "pageToken=-1", "pageToken=%C2%B2"):
        with pytest.raises(InvalidRequestError):
            listed(query)


def test_model_has_geminis_shape() -> None:
    model = Model("m", "A model", capabilities=Capabilities(thinking="level", context_window=5))
    made = call({}, path="/v1/models/m", method="GET")
    assert json.loads(SERVER.encode_model(model, made).body) == {
        "name": "models/m",
        "baseModelId": "m",
        "version": "001",
        "displayName": "m",
        "description": "A model",
        "inputTokenLimit": 5,
        "supportedGenerationMethods": ["generateContent", "streamGenerateContent", "countTokens"],
        "thinking": True,
    }


def test_client_reads_counts_and_models() -> None:
    client = GEMINI_CLIENT
    assert client.decode_count(b'{"totalTokens": 31}') == 31
    for body in (b"{}", b"[]", b"x"):
        with pytest.raises(UpstreamError):
            client.decode_count(body)
    body = json.dumps(
        {
            "models": [
                {
                    "name": "models/a",
                    "displayName": "A",
                    "inputTokenLimit": 5,
                    "outputTokenLimit": 6,
                    "supportedGenerationMethods": ["generateContent"],
                },
                {"name": "models/embed", "supportedGenerationMethods": ["embedContent"]},
                {"name": "models/talk", "supportedGenerationMethods": ["bidiGenerateContent"]},
                {"name": "b"},
            ]
        }
    ).encode()
    assert client.decode_models(body) == [
        Model("a", "A", "google", input_token_limit=5, output_token_limit=6),
        Model("embed", owned_by="google", capabilities=Capabilities(embedding=True)),
        Model("b", owned_by="google"),
    ]
    with pytest.raises(UpstreamError):
        client.decode_models(b'{"error": 1}')
    assert client.decode_usage(b'{"usageMetadata":{"promptTokenCount":3}}') == Usage(3)
    array = b'[{"usageMetadata":{"promptTokenCount":3}},{"candidates":[]}]'
    assert client.decode_usage(array) == Usage(3)
    assert client.decode_usage(b"{}") is None
    assert client.decode_usage(b"nonsense") is None
    streamed = chunks_of(stream([]))
    assert "error" in streamed[0]
