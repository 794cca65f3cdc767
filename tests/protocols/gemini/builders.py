"""What the tests of the Gemini protocol share: calls, contexts, and an independent reader."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote

from google.genai import types
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from antigravity.ir.call import Call, ReplyContext, Route
from antigravity.ir.errors import OverloadedError, UpstreamError
from antigravity.ir.events import (
    CitationEvent,
    Event,
    Finish,
    LogprobsDelta,
    MediaOutput,
    RedactedThinking,
    RefusalDelta,
    ResponseStart,
    StreamFailure,
    TextDelta,
    TextSignature,
    ThinkingDelta,
    ThinkingSignature,
    ToolCallDelta,
    ToolCallEnd,
    ToolCallStart,
    UsageUpdate,
    WebSearchEvent,
)
from antigravity.ir.media import InlineData
from antigravity.ir.parts import Citation, SearchResult, WebSearch
from antigravity.ir.request import Request, ThinkingConfig
from antigravity.ir.signature import Signature
from antigravity.ir.usage import Usage
from antigravity.protocols.gemini.protocol import GEMINI_SERVER
from tests.support import sdks

SERVER = GEMINI_SERVER

#: For property tests on machines that have other things to do.
patient = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


def recordings() -> list[dict[str, Any]]:
    """Return the recorded requests of real clients."""
    text = Path(__file__).with_name("recorded.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def match(method: str, path: str) -> tuple[Route, dict[str, str]]:
    """Return the route of a path, by a reading of the pattern language of our own."""
    for route in SERVER.routes:
        pattern = re.sub(r"\\{(\w+)\\\.\\\.\\\.\\}", r"(?P<\1>.+)", re.escape(route.path))
        found = re.fullmatch(pattern, path)
        if found and route.method == method and (route.method == "POST" or ":" not in path):
            return route, {name: unquote(value) for name, value in found.groupdict().items()}
    raise AssertionError(f"no route for {method} {path}")


def call(
    body: Any = None,
    path: str = "/v1beta/models/gemini-x:streamGenerateContent",
    query: str = "alt=sse",
    method: str = "POST",
) -> Call:
    """Return a call at the door."""
    route, arguments = match(method, path)
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Call(route, arguments, dict(parse_qsl(query)), {}, data)


def decode(body: Any, **where: Any) -> Request:
    """Return the request in a body."""
    return SERVER.decode(call(body, **where))


def context(*, sse: bool = True, include: bool | None = True) -> ReplyContext:
    """Return the context of one reply."""
    return ReplyContext(
        call({}, query="alt=sse" if sse else "alt=json"),
        Request("m", (), "gemini", thinking=ThinkingConfig(include=include)),
        "gemini-x",
        0,
        lambda prefix: f"{prefix}fresh",
    )


def stream(events: list[Event], *, sse: bool = True, include: bool | None = True) -> bytes:
    """Return the bytes that events make."""
    encoder = SERVER.encoder(context(sse=sse, include=include))
    return b"".join([*(encoder.encode(event) for event in events), encoder.end()])


def chunks_of(wire: bytes, *, sse: bool = True) -> list[dict[str, Any]]:
    """Read a stream strictly, byte by byte as the documentation has it."""
    if not sse:
        assert wire[:1] == b"["
        assert wire[-1:] == b"]"
        found = json.loads(wire)
        assert isinstance(found, list)
        return found
    assert wire.endswith(b"\n\n")
    events = wire[:-2].split(b"\n\n")
    for event in events:
        assert event.startswith(b"data: {")
        assert b"\n" not in event
        assert b"\r" not in event
    return [json.loads(event[len(b"data: ") :]) for event in events]


def check_stream(chunks: list[dict[str, Any]]) -> None:
    """Assert that a stream is one that Gemini could have sent."""
    assert chunks
    finished: set[int] = set()
    for place, chunk in enumerate(chunks):
        if "error" in chunk:
            assert place == len(chunks) - 1
            assert list(chunk) == ["error", "candidates"]
            assert chunk["candidates"] == [{"finishReason": "MALFORMED_FUNCTION_CALL", "index": 0}]
            assert isinstance(chunk["error"]["code"], int)
            assert chunk["error"]["message"]
            assert chunk["error"]["status"].isupper()
            return
        if sdks.are_installed():
            types.GenerateContentResponse._from_response(
                response=json.loads(json.dumps(chunk)), kwargs={}
            )
            types.GenerateContentResponse.model_validate(chunk)
        assert chunk["candidates"]
        assert chunk["responseId"]
        assert chunk["modelVersion"]
        for candidate in chunk["candidates"]:
            index = candidate["index"]
            assert index not in finished
            assert candidate["content"]["role"] == "model"
            assert candidate["content"]["parts"]
            for part in candidate["content"]["parts"]:
                check_part(part)
            if "finishReason" in candidate:
                finished.add(index)
                if sdks.are_installed():
                    assert candidate["finishReason"] in types.FinishReason.__members__
    last = chunks[-1]
    assert last["usageMetadata"]
    assert all("finishReason" in candidate for candidate in last["candidates"])
    seen = {each["index"] for chunk in chunks for each in chunk["candidates"]}
    assert seen == finished


def check_part(part: dict[str, Any]) -> None:
    """Assert that a part holds exactly one kind of data."""
    kinds = part.keys() & {"text", "functionCall", "inlineData", "fileData"}
    assert len(kinds) == 1
    assert part.keys() <= kinds | {"thought", "thoughtSignature"}
    if "functionCall" in part:
        assert part["functionCall"]["name"] is not None
        assert isinstance(part["functionCall"]["args"], dict)


def parts_of(chunks: list[dict[str, Any]], index: int = 0) -> list[dict[str, Any]]:
    """Return all parts of a candidate that say something."""
    return [
        part
        for chunk in chunks
        for candidate in chunk.get("candidates", ())
        if candidate["index"] == index
        for part in candidate.get("content", {}).get("parts", ())
        if part != {"text": ""}
    ]


texts = st.text(max_size=12)
signatures = st.builds(
    Signature,
    st.text(max_size=12) | st.just("c2ln"),
    st.sampled_from(["gemini", "claude", "openai"]),
)
arguments = st.one_of(
    st.just(""),
    st.text(max_size=8),
    st.dictionaries(texts, st.integers() | texts, max_size=3).map(
        lambda v: json.dumps(v, indent=1)
    ),
)
choices = st.integers(0, 2)
calls = st.integers(0, 3)
reasons = st.sampled_from(
    ["stop", "length", "stop_sequence", "tool_calls", "content_filter", "refusal", "pause"]
)
citations = st.builds(
    Citation,
    url=texts,
    title=texts,
    cited_text=texts,
    start=st.none() | st.integers(-2, 20),
    end=st.none() | st.integers(-2, 20),
)
searches = st.builds(
    WebSearch,
    id=st.sampled_from(["a", "b"]),
    queries=st.lists(texts, max_size=2).map(tuple),
    results=st.lists(st.builds(SearchResult, url=texts, title=texts), max_size=2).map(tuple),
)
counts = st.integers(0, 1000)
events = st.one_of(
    st.builds(ResponseStart, id=texts, model=texts),
    st.builds(TextDelta, text=texts, choice=choices),
    st.builds(TextSignature, signature=signatures, choice=choices),
    st.builds(ThinkingDelta, text=texts, choice=choices),
    st.builds(ThinkingSignature, signature=signatures, choice=choices),
    st.builds(RedactedThinking, data=texts, choice=choices),
    st.builds(RefusalDelta, text=texts, choice=choices),
    st.builds(
        ToolCallStart,
        call=calls,
        id=st.text(min_size=1, max_size=5),
        name=st.text(min_size=1, max_size=5),
        kind=st.sampled_from(["function", "custom"]),
        signature=st.none() | signatures,
        choice=choices,
    ),
    st.builds(ToolCallDelta, call=calls, arguments=arguments, choice=choices),
    st.builds(ToolCallEnd, call=calls, choice=choices),
    st.builds(
        MediaOutput,
        mime_type=st.just("image/png"),
        source=st.just(InlineData("aGk=")),
        signature=st.none() | signatures,
        choice=choices,
    ),
    st.builds(WebSearchEvent, search=searches, choice=choices),
    st.builds(CitationEvent, citation=citations, choice=choices),
    st.builds(
        LogprobsDelta,
        content=st.lists(
            st.fixed_dictionaries(
                {"token": texts, "logprob": st.floats(-9, 0), "top_logprobs": st.just([])}
            ),
            max_size=2,
        ),
        choice=choices,
    ),
    st.builds(
        UsageUpdate,
        usage=st.builds(
            Usage,
            input_total=counts,
            cached=counts,
            output=counts,
            reasoning=counts,
            tool_input=counts,
        ),
    ),
    st.builds(
        Finish,
        reason=reasons,
        native=st.sampled_from([None, "STOP", "RECITATION", "end_turn", "MALFORMED_FUNCTION_CALL"]),
        choice=choices,
    ),
    st.builds(StreamFailure, error=st.just(UpstreamError("cut")))
    | st.just(StreamFailure(OverloadedError("full", retry_after=1.5, code="x"))),
)
