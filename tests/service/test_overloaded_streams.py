"""An upstream that begins its stream with an error of capacity, and one that breaks off."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from antigravity.config.secret import Secret
from antigravity.config.settings import Settings, UpstreamSettings
from antigravity.sse import SseDecoder
from tests.support.memory_gateway import Answer, MemoryGateway

USER = [{"role": "user", "content": "Hi"}]
MESSAGE = {"max_tokens": 9, "messages": USER}
ERROR = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}


@pytest.fixture
def gateway(tmp_path: Path) -> MemoryGateway:
    def upstream(kind: str, base: str, *apis: str) -> UpstreamSettings:
        more: Any = {"apis": list(apis)} if apis else {}
        return UpstreamSettings(kind, base_url=base, api_keys=[Secret("sk-1")], **more)

    upstreams = {
        "claude": upstream("anthropic", "https://api.anthropic.com"),
        "openai": upstream("openai", "https://api.openai.com/v1", "responses"),
        "other": upstream("openai", "http://vllm.internal:8000/v1", "chat"),
    }
    return MemoryGateway(Settings(upstreams=upstreams), tmp_path)


def overload(gateway: MemoryGateway, *, stream: bool) -> None:
    data = json.dumps(ERROR).encode()
    content_type = "text/event-stream" if stream else "application/json"
    body = b"event: error\ndata: %b\n\n" % data if stream else data
    gateway.transport.respond = lambda _: Answer(200, {"content-type": content_type}, body)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("streamed", [False, True])
def test_client_of_anthropic_gets_anthropics_status(
    gateway: MemoryGateway, stream: bool, streamed: bool
) -> None:
    overload(gateway, stream=streamed)
    answer = gateway.ask("anthropic", "claude/claude-sonnet-4-6", {**MESSAGE, "stream": stream})
    assert answer.status == 529
    assert answer.json()["error"] == ERROR["error"]


def test_client_of_another_protocol_gets_the_usual_status(gateway: MemoryGateway) -> None:
    overload(gateway, stream=True)
    body = {"messages": USER, "stream": True}
    answer = gateway.ask("openai_chat", "claude/claude-sonnet-4-6", body)
    assert answer.status == 503


@pytest.mark.parametrize(("status", "expected"), [(529, 529), (503, 503)])
def test_translated_error_of_capacity_has_its_status(
    gateway: MemoryGateway, status: int, expected: int
) -> None:
    error = b'{"error":{"message":"Overloaded"}}'
    gateway.transport.respond = lambda _: Answer(
        status, {"content-type": "application/json"}, error
    )
    answer = gateway.ask("anthropic", "other/some-model", MESSAGE)
    assert (answer.status, answer.json()["error"]["type"]) == (expected, "overloaded_error")


def test_error_in_a_stream_of_responses_continues_the_numbers(gateway: MemoryGateway) -> None:
    gateway.ask("openai_responses", "openai/gpt-5", {"input": "[[say one two]]", "stream": True})
    whole = gateway.transport.received[-1].body
    broken = whole[: whole.index(b"event: response.output_text.done")]
    content_type = {"content-type": "text/event-stream"}
    gateway.transport.respond = lambda _: Answer(200, content_type, broken)
    answer = gateway.ask("openai_responses", "openai/gpt-5", {"input": "Hi", "stream": True})
    assert gateway.records[-1].attempts[-1].passed_through
    assert answer.body.startswith(broken)
    events = [json.loads(each.data) for each in SseDecoder().feed(answer.body)]
    assert events[-1]["type"] in ("error", "response.failed")
    assert [each["sequence_number"] for each in events] == list(range(len(events)))
