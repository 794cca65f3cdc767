"""Parameters that an upstream refuses are omitted from then on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from antigravity.config.secret import Secret
from antigravity.config.settings import Settings, UpstreamSettings
from antigravity.interfaces.transport import OutgoingRequest
from antigravity.routing.learned_refusals import MAX_MODELS, TTL, LearnedRefusals
from tests.support.memory_gateway import Answer, MemoryGateway

USER = [{"role": "user", "content": "Hi"}]


class RefusingUpstream:
    """An upstream that refuses fields of a body, one at a time, in OpenAI's words."""

    def __init__(self, *refused: str) -> None:
        self.refused = refused
        self.error = ""

    def respond(self, request: OutgoingRequest) -> Answer | None:
        body = json.loads(request.body)  # type: ignore[arg-type]
        for name in self.refused:
            if name in body:
                text = f"Unsupported parameter: '{name}' is not supported with this model."
                error = {"message": text, "type": "invalid_request_error", "param": name}
                self.error = json.dumps({"error": {**error, "code": "unsupported_parameter"}})
                return Answer(400, {"content-type": "application/json"}, self.error.encode())
        return None


@pytest.fixture
def gateway(tmp_path: Path) -> MemoryGateway:
    upstreams = {
        name: UpstreamSettings(kind, base_url=base, api_keys=[Secret("sk-1")], apis=["chat"])
        for name, kind, base in (
            ("home", "openai", "http://vllm.internal:8000/v1"),
            ("other", "openai", "http://vllm.internal:8000/v1"),
            ("claude", "anthropic", "https://api.anthropic.com"),
        )
    }
    return MemoryGateway(Settings(upstreams=upstreams), tmp_path)


def sent(gateway: MemoryGateway) -> list[dict[str, Any]]:
    return [json.loads(each.body) for each in gateway.transport.sent]  # type: ignore[arg-type]


def message(gateway: MemoryGateway, model: str = "home/new-model", **more: Any) -> Answer:
    return gateway.ask("anthropic", model, {"max_tokens": 9, "messages": USER, **more})


def test_refused_parameters_are_omitted_and_reported(gateway: MemoryGateway) -> None:
    gateway.transport.respond = RefusingUpstream("temperature", "top_p").respond
    for stream in (False, True):
        answer = message(gateway, temperature=0.5, top_p=0.5, stream=stream)
        assert answer.status == 200
        assert "temperature" in answer.headers["x-antigravity-warnings"]
    first, second, third, fourth = sent(gateway)
    assert ("temperature" in first, "top_p" in first) == (True, True)
    assert ("temperature" in second, "top_p" in second) == (False, True)
    for body in (third, fourth):
        assert not {"temperature", "top_p"} & body.keys()
    for record in gateway.records:
        assert {"sampling.temperature", "sampling.top_p"} <= {
            each.field for each in record.warnings
        }
    assert [attempt.status for attempt in gateway.records[0].attempts][:2] == [400, 400]
    assert len(gateway.records[1].attempts) == 1


def test_other_models_and_upstreams_are_asked_themselves(gateway: MemoryGateway) -> None:
    gateway.transport.respond = RefusingUpstream("temperature").respond
    message(gateway, temperature=0.5)
    for model in ("home/another-model", "other/new-model"):
        before = len(gateway.transport.sent)
        message(gateway, model, temperature=0.5)
        assert "temperature" in sent(gateway)[before]


def test_parameter_refused_by_another_request_meanwhile_is_omitted(gateway: MemoryGateway) -> None:
    upstream = RefusingUpstream("temperature")

    def respond(request: OutgoingRequest) -> Answer | None:
        answer = upstream.respond(request)
        if answer is not None:  # a request that was sent at the same time learns it first
            gateway.refusals.learn("home", "new-model", ["temperature"], "refused")
        return answer

    gateway.transport.respond = respond
    assert message(gateway, temperature=0.5).status == 200


def test_what_is_learned_expires(gateway: MemoryGateway) -> None:
    gateway.transport.respond = RefusingUpstream("temperature").respond
    message(gateway, temperature=0.5)
    gateway.transport.respond = lambda _: None
    message(gateway, temperature=0.5)
    assert "temperature" not in sent(gateway)[-1]
    gateway.clock.advance(TTL)
    message(gateway, temperature=0.5)
    assert sent(gateway)[-1]["temperature"] == 0.5


def test_request_is_repeated_a_limited_number_of_times(gateway: MemoryGateway) -> None:
    names = ("temperature", "top_p", "top_k", "stop", "user")
    gateway.transport.respond = RefusingUpstream(*names).respond
    more = {"temperature": 0.5, "top_p": 0.5, "top_k": 3, "stop_sequences": ["x"]}
    answer = message(gateway, **more, metadata={"user_id": "u"})
    assert (answer.status, len(gateway.transport.sent)) == (400, 4)
    assert message(gateway, **more, metadata={"user_id": "u"}).status == 200
    assert not set(names) & sent(gateway)[-1].keys()


def test_refused_stop_sequences_are_detected_by_the_gateway(gateway: MemoryGateway) -> None:
    gateway.transport.respond = RefusingUpstream("stop").respond
    text = [{"role": "user", "content": "one two three"}]
    answer = gateway.ask(
        "anthropic",
        "home/new-model",
        {"max_tokens": 9, "messages": text, "stop_sequences": ["two"]},
    )
    assert answer.json()["stop_sequence"] == "two"
    assert answer.json()["content"][0]["text"] == "one "


def test_output_limit_gets_its_other_name(gateway: MemoryGateway) -> None:
    def respond(request: OutgoingRequest) -> Answer | None:
        if "max_tokens" not in json.loads(request.body):  # type: ignore[arg-type]
            return None
        text = "Unsupported parameter: 'max_tokens' is not supported with this model. Use "
        error = {"message": f"{text}'max_completion_tokens' instead.", "param": "max_tokens"}
        body = json.dumps({"error": error}).encode()
        return Answer(400, {"content-type": "application/json"}, body)

    gateway.transport.respond = respond
    assert message(gateway).status == 200
    assert sent(gateway)[-1]["max_completion_tokens"] == 9


def test_refused_hint_is_omitted_without_a_warning(gateway: MemoryGateway) -> None:
    gateway.transport.respond = RefusingUpstream("stream_options").respond
    assert message(gateway).status == 200
    assert "stream_options" not in sent(gateway)[-1]
    assert gateway.records[-1].warnings == ()


def test_effort_that_claude_refuses_is_omitted(gateway: MemoryGateway) -> None:
    def respond(request: OutgoingRequest) -> Answer | None:
        if "output_config" not in json.loads(request.body):  # type: ignore[arg-type]
            return None
        text = "This model does not support the effort parameter."
        error = {"type": "error", "error": {"type": "invalid_request_error", "message": text}}
        return Answer(400, {"content-type": "application/json"}, json.dumps(error).encode())

    gateway.transport.respond = respond
    body = {"messages": USER, "reasoning_effort": "high"}
    assert gateway.ask("openai_chat", "claude/claude-opus-5", body).status == 200
    assert sent(gateway)[-1]["thinking"] == {"type": "adaptive"}


def test_refusal_that_stays_is_no_endless_loop(gateway: MemoryGateway) -> None:
    text = "Unsupported parameter: 'temperature' is not supported with this model."
    error = json.dumps({"error": {"message": text, "param": "temperature"}}).encode()
    gateway.transport.respond = lambda _: Answer(400, {"content-type": "application/json"}, error)
    assert message(gateway, temperature=0.5).status == 400
    assert len(gateway.transport.sent) == 2


def test_learned_refusals_are_bounded() -> None:
    now = [0.0]
    learned = LearnedRefusals(lambda: now[0])
    for number in range(MAX_MODELS + 5):
        learned.learn("u", f"m{number}", ["seed"], "no")
    assert learned.names("u", "m0") == set()
    assert learned.names("u", f"m{MAX_MODELS}") == {"seed"}
    learned.clear()
    assert learned.names("u", f"m{MAX_MODELS}") == set()
