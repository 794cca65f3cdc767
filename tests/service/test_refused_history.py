"""A history whose signatures an upstream refuses, also after it was repaired."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from antigravity.config.secret import Secret
from antigravity.config.settings import Settings, UpstreamSettings
from antigravity.interfaces.transport import OutgoingRequest
from tests.support.memory_gateway import Answer, MemoryGateway

REFUSED = "messages.1.content.0: Invalid `signature` in `thinking` block"
THINKING = {"type": "thinking", "thinking": "hm", "signature": "c2lnbmF0dXJl"}
BODY: dict[str, Any] = {
    "max_tokens": 2000,
    "messages": [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": [THINKING, {"type": "text", "text": "Hello"}]},
        {"role": "user", "content": "Go on"},
    ],
}


def error(number: int, message: str, kind: str = "invalid_request_error") -> bytes:
    """Return the body of an error, not written as the gateway does."""
    inner = f'{{ "type":"{kind}","message":"{message}" }}'
    return f'{{"type":"error", "error":{inner},"request_id":"req_{number}"}}'.encode()


class Upstream:
    """An upstream that sends one response after the other, and the last one again and again."""

    def __init__(self, *answers: tuple[int, bytes]) -> None:
        self.answers = list(answers)
        self.bodies: list[Any] = []

    def respond(self, request: OutgoingRequest) -> Answer:
        self.bodies.append(json.loads(request.body))  # type: ignore[arg-type]
        status, body = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return Answer(status, {"content-type": "application/json"}, body)


@pytest.fixture
def gateway(tmp_path: Path) -> MemoryGateway:
    upstreams = {
        "claude": UpstreamSettings(
            "anthropic", base_url="https://api.anthropic.com", api_keys=[Secret("sk-1")]
        )
    }
    return MemoryGateway(Settings(upstreams=upstreams), tmp_path)


def ask(gateway: MemoryGateway, upstream: Upstream, *, stream: bool) -> Answer:
    gateway.transport.respond = upstream.respond
    return gateway.ask("anthropic", "claude/claude-sonnet-4-6", {**BODY, "stream": stream})


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("second", [REFUSED, "messages.1.content: Input should not be empty"])
def test_client_gets_refusal_of_its_own_history(
    gateway: MemoryGateway, second: str, stream: bool
) -> None:
    first = error(1, REFUSED)
    upstream = Upstream((400, first), (400, error(2, second)))
    answer = ask(gateway, upstream, stream=stream)
    assert (answer.status, answer.body) == (400, first)
    assert ["signature" in str(body) for body in upstream.bodies] == [True, False]
    (record,) = gateway.records
    assert [each.status for each in record.attempts] == [400, 400]
    assert record.status == 400


def test_failure_of_another_kind_after_repair_is_reported(gateway: MemoryGateway) -> None:
    limit = error(2, "This would exceed your rate limit.", "rate_limit_error")
    answer = ask(gateway, Upstream((400, error(1, REFUSED)), (429, limit)), stream=False)
    assert answer.status == 429
    assert b"signature" not in answer.body


def test_client_of_another_protocol_gets_error_in_its_form(gateway: MemoryGateway) -> None:
    gateway.transport.respond = Upstream((400, error(1, REFUSED))).respond
    body = {"messages": [{"role": "user", "content": "Hi"}]}
    answer = gateway.ask("openai_chat", "claude/claude-sonnet-4-6", body)
    assert answer.status == 400
    assert answer.json()["error"]["type"] == "invalid_request_error"
