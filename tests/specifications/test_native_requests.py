"""Whatever a provider's own types allow reaches an upstream of that provider byte for byte.

The values are from the SDKs, each member and each value once, with members and values that are
newer than the SDKs.  Some are not valid: to say so is the provider's part.  Streams of chat and
legacy completions ask for their usage here: where a client does not, the gateway does.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import pytest

from antigravity.config.secret import Secret
from antigravity.config.settings import Settings, UpstreamSettings
from antigravity.interfaces.transport import OutgoingRequest
from antigravity.ir.call import Call
from tests.support import sdks
from tests.support.memory_gateway import Answer, MemoryGateway

if not sdks.are_installed():
    sdks.skip()

from tests.specifications.endpoints import ENDPOINTS, Endpoint

#: What upstreams answer; no protocol has a member like the second one.
COUNTS: Final = {
    "openai_responses": b'{"object": "response.input_tokens", "input_tokens": 5, "new": [1]}',
    "anthropic": b'{"input_tokens": 5, "context_management": {"original_input_tokens": 7}}',
    "gemini": b'{"totalTokens": 5, "new": [1]}',
}
ANSWER: Final = b'{"id": "x", "new": {"of": [1, null]}}'
EVENTS: Final = {
    "openai_responses": b'data: {"type":"response.completed","response":{"id":"r"}}\n\n',
    "openai_chat": b'data: {"choices":[{"index":0,"delta":{"content":"a"},"finish_reason":"stop"}]}'
    b"\n\ndata: [DONE]\n\n",
    "openai_completions": b'data: {"choices":[{"index":0,"text":"a","finish_reason":"stop"}]}\n\n'
    b"data: [DONE]\n\n",
    "openai_images": b'data: {"type":"image_generation.completed","b64_json":"AAAA"}\n\n',
    "anthropic": b'event: message_stop\ndata: {"type":"message_stop"}\n\n',
}


@pytest.fixture
def gateway(tmp_path: Path) -> MemoryGateway:
    def upstream(kind: Any, base: str, **more: Any) -> UpstreamSettings:
        return UpstreamSettings(kind, base_url=base, api_keys=[Secret("sk-1")], **more)

    apis = ["chat", "responses", "completions", "images", "audio"]
    upstreams = {
        "openai": upstream("openai", "https://api.openai.com/v1", apis=apis),
        "anthropic": upstream("anthropic", "https://api.anthropic.com"),
        "gemini": upstream("gemini_api", "https://generativelanguage.googleapis.com"),
    }
    return MemoryGateway(Settings(upstreams=upstreams), tmp_path)


def answer_as(gateway: MemoryGateway, body: bytes, content_type: str) -> None:
    def respond(request: OutgoingRequest) -> Answer:
        return Answer(200, {"content-type": content_type}, body)

    gateway.transport.respond = respond


def is_refused(fields: dict[str, Any]) -> bool:
    """Return whether the gateway refuses a body itself, as the provider does.

    A thread is continued without the beta for threads, so the gateway could not check whose it is.
    """
    return (fields.get("thread") or {}).get("type") == "continue"


def with_stream(endpoint: Endpoint, body: dict[str, Any]) -> dict[str, Any]:
    """Return a body that asks for a stream, with its usage where that is a choice."""
    if endpoint.protocol not in ("openai_chat", "openai_completions"):
        return {**body, "stream": True}
    options = body.get("stream_options") or {}
    return {**body, "stream": True, "stream_options": {**options, "include_usage": True}}


def find_changed(
    gateway: MemoryGateway, endpoint: Endpoint, answer: bytes, **walk: Any
) -> list[tuple[Any, ...]]:
    """Return what did not pass unchanged: the path, the member and what happened."""
    changed: list[tuple[Any, ...]] = []
    server = gateway.protocols[endpoint.protocol]
    route = next(each for each in server.routes if each.path == endpoint.path)
    bare = endpoint.model.partition("/")[2]
    stream = walk.pop("stream", False)
    for path, fields in endpoint.samples(new=True, **walk):
        if is_refused(fields):
            continue
        name = path.partition(".")[0].partition("[")[0]
        before = len(gateway.transport.sent)
        body, expected = ({**fields, "model": model} for model in (endpoint.model, bare))
        arguments = {}
        if endpoint.protocol == "gemini":
            arguments, body, expected = {"model": endpoint.model}, fields, fields
        elif stream:
            body, expected = (with_stream(endpoint, each) for each in (body, expected))
        call = Call(route, arguments, {}, {}, json.dumps(body, indent=1).encode())
        reply = gateway.handle(endpoint.protocol, call)
        sent = gateway.transport.sent[before:]
        if len(sent) != 1 or sent[0].body != json.dumps(expected, indent=1).encode():
            changed.append((path, fields.get(name), len(sent), reply.body[:300]))
        elif (reply.status, reply.body) != (200, answer):
            changed.append((path, fields.get(name), reply.status, reply.body[:300]))
    return changed


@pytest.mark.parametrize("name", ENDPOINTS)
def test_every_member_and_value_passes_unchanged(gateway: MemoryGateway, name: str) -> None:
    endpoint = ENDPOINTS[name]
    is_count = "token" in name or "count" in name
    answer, content_type = ANSWER, "application/json"
    if name == "speech":
        answer, content_type = b"\xff\xf3 a recording", "audio/mpeg"
    elif is_count:
        answer = COUNTS[endpoint.protocol]
    answer_as(gateway, answer, content_type)
    assert find_changed(gateway, endpoint, answer) == []
    assert len(gateway.transport.sent) > 15


@pytest.mark.parametrize("name", ["responses", "chat", "completions", "images", "messages"])
def test_every_member_and_value_passes_unchanged_when_streamed(
    gateway: MemoryGateway, name: str
) -> None:
    endpoint = ENDPOINTS[name]
    answer = EVENTS[endpoint.protocol]
    answer_as(gateway, answer, "text/event-stream")
    assert find_changed(gateway, endpoint, answer, stream=True, depth=3) == []
