"""Requests that pass through learn from refusals: a refused member is renamed or left out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from antigravity.config.secret import Secret
from antigravity.config.settings import ProxySettings, Settings, UpstreamSettings
from antigravity.interfaces.transport import OutgoingRequest
from antigravity.ir.call import Call
from antigravity.routing.learned_refusals import TTL
from tests.support.memory_gateway import Answer, MemoryGateway

USER = [{"role": "user", "content": "[[say One two three]]"}]
JSON = {"content-type": "application/json"}
WARNINGS = "x-antigravity-warnings"


@pytest.fixture
def gateway(tmp_path: Path) -> MemoryGateway:
    def upstream(kind: str, base: str, *apis: str) -> UpstreamSettings:
        settings = UpstreamSettings(kind, base_url=base, api_keys=[Secret("sk-1")])
        return replace(settings, apis=list(apis)) if apis else settings

    upstreams = {
        "openai": upstream("openai", "https://api.openai.com/v1", "chat", "responses"),
        "home": upstream("openai", "http://vllm.internal:8000/v1", "chat", "completions"),
        "claude": upstream("anthropic", "https://api.anthropic.com"),
        "gemini": upstream("gemini_api", "https://generativelanguage.googleapis.com"),
    }
    return MemoryGateway(Settings(ProxySettings(debug_headers=True), upstreams=upstreams), tmp_path)


def sent(gateway: MemoryGateway) -> list[bytes]:
    return [
        each.body if isinstance(each.body, bytes) else b"".join(each.body)
        for each in gateway.transport.sent
    ]


def refusing(*names: str, text: str = "Unsupported parameter: '{}' is not supported.") -> Any:
    """Return what refuses top-level members, one at a time, in OpenAI's words."""

    def respond(request: OutgoingRequest) -> Answer | None:
        body: Any = request.body
        body = json.loads(body if isinstance(body, bytes) else b"".join(body))
        for name in names:
            if name in body:
                error = {"message": text.format(name), "param": name}
                return Answer(400, JSON, json.dumps({"error": error}).encode())
        return None

    return respond


@pytest.mark.parametrize("stream", [False, True])
def test_output_limit_gets_the_name_that_the_model_wants(
    gateway: MemoryGateway, stream: bool
) -> None:
    body = {"max_tokens": 4000, "messages": USER, "stream": stream}
    for number in range(2):
        answer = gateway.ask("openai_chat", "openai/gpt-5", body)
        assert answer.status == 200, answer.body
        assert answer.body
        assert answer.headers[WARNINGS].startswith("max_tokens: renamed to max_completion_tokens")
        assert gateway.records[number].attempts[-1].passed_through
    first, second, third = (json.loads(each) for each in sent(gateway))
    assert first["max_tokens"] == 4000
    for repeated in (second, third):
        assert "max_tokens" not in repeated
        assert repeated["max_completion_tokens"] == 4000
        assert repeated["messages"] == USER
    assert [each.status for each in gateway.records[0].attempts] == [400, 200]


def test_effort_for_a_model_that_has_none_is_left_out(gateway: MemoryGateway) -> None:
    body = {"messages": USER, "reasoning_effort": "high", "max_tokens": 50}
    answer = gateway.ask("openai_chat", "openai/gpt-4.1", body)
    assert answer.status == 200
    assert answer.headers[WARNINGS] == (
        "reasoning_effort: dropped: openai refuses it for this model"
    )
    assert json.loads(sent(gateway)[-1]) == {
        "model": "gpt-4.1",
        "messages": USER,
        "max_tokens": 50,
    }


def test_value_that_one_client_sends_takes_nothing_from_others(gateway: MemoryGateway) -> None:
    text = "Unsupported value: '{}' does not support 'minimal' with this model.  Supported values"
    gateway.transport.respond = refusing("reasoning_effort", text=f"{text} are: 'low', 'high'.")
    body = {"messages": USER, "reasoning_effort": "minimal"}
    answer = gateway.ask("openai_chat", "openai/gpt-5", body)
    assert (answer.status, answer.body) == (400, gateway.transport.received[0].body)
    gateway.transport.respond = lambda _: None
    body = {"messages": USER, "reasoning_effort": "high"}
    assert gateway.ask("openai_chat", "openai/gpt-5", body).status == 200
    assert [json.loads(each)["reasoning_effort"] for each in sent(gateway)] == ["minimal", "high"]


def test_value_is_left_out_of_a_translated_request_only(gateway: MemoryGateway) -> None:
    text = "Unsupported value: '{}' does not support 'low'.  Supported values are: 'high'."
    for effort, refused in (("low", ["reasoning_effort"]), ("high", [])):
        gateway.transport.respond = refusing(*refused, text=text)
        body = {"input": USER, "reasoning": {"effort": effort}}
        assert gateway.ask("openai_responses", "home/gpt-oss-20b", body).status == 200
    efforts = [json.loads(each).get("reasoning_effort") for each in sent(gateway)]
    assert efforts == ["low", None, "high"]


def test_several_refused_members_are_left_out_one_by_one(gateway: MemoryGateway) -> None:
    body = {"messages": USER, "temperature": 0.3, "max_tokens": 4000}
    answer = gateway.ask("openai_chat", "openai/gpt-5", body)
    assert answer.status == 200
    assert {each.field for each in gateway.records[0].warnings} == {"temperature", "max_tokens"}
    assert len(sent(gateway)) == 3


def test_nested_member_of_responses_is_left_out(gateway: MemoryGateway) -> None:
    def respond(request: OutgoingRequest) -> Answer | None:
        if b"effort" not in request.body:  # type: ignore[operator]
            return None
        text = "Unsupported parameter: 'reasoning.effort' is not supported with this model."
        error = {"message": text, "param": "reasoning.effort"}
        return Answer(400, JSON, json.dumps({"error": error}).encode())

    gateway.transport.respond = respond
    body = {"input": "[[say One]]", "reasoning": {"effort": "low", "summary": "auto"}}
    answer = gateway.ask("openai_responses", "openai/gpt-5", body)
    assert answer.status == 200
    assert json.loads(sent(gateway)[-1])["reasoning"] == {"summary": "auto"}
    assert answer.headers[WARNINGS].startswith("reasoning.effort: dropped")


def test_sampling_that_claude_refuses_is_left_out(gateway: MemoryGateway) -> None:
    def respond(request: OutgoingRequest) -> Answer | None:
        if b"temperature" not in request.body:  # type: ignore[operator]
            return None
        message = "`temperature` is deprecated for this model."
        error = {"type": "error", "error": {"type": "invalid_request_error", "message": message}}
        return Answer(400, JSON, json.dumps(error).encode())

    gateway.transport.respond = respond
    body = {"max_tokens": 9, "messages": USER, "temperature": 0.5}
    answer = gateway.ask("anthropic", "claude/claude-sonnet-4-6", body)
    assert answer.status == 200
    assert json.loads(sent(gateway)[-1]) == {
        "model": "claude-sonnet-4-6",
        "max_tokens": 9,
        "messages": USER,
    }


def test_all_else_stays_byte_for_byte(gateway: MemoryGateway) -> None:
    gateway.transport.respond = refusing("top_p", "seed")
    said = '[{ "role":"user", "content": "[[say Z\\u00fcrich]]" }]'
    body = f'{{ "seed": 1, "messages" : {said},\n"top_p":0.10 , "new_field":1.50e0,"model":"%s" }}'
    routes = gateway.protocols["openai_chat"].routes
    route = next(each for each in routes if each.operation == "generate")
    call = Call(route, {}, {}, {}, (body % "home/new-model").encode())
    assert gateway.handle("openai_chat", call).status == 200
    expected = f'{{ "messages" : {said} , "new_field":1.50e0,"model":"new-model" }}'
    assert sent(gateway)[-1].replace(b"\n", b"") == expected.encode()


def test_long_strings_stay_beside_a_refused_member(gateway: MemoryGateway) -> None:
    gateway.transport.respond = refusing("metadata", "top_p")
    picture = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{'A' * 200_000}"}}
    content = [{"type": "text", "text": "[[say One]]"}, picture]
    messages = [{"role": "user", "content": content}]
    body = {"metadata": {"note": "B" * 100_000}, "messages": messages, "top_p": 1}
    gateway.ask("openai_chat", "home/new-model", body)
    assert json.loads(sent(gateway)[-1]) == {"model": "new-model", "messages": messages}


def test_translated_request_learns_from_one_that_passes(gateway: MemoryGateway) -> None:
    gateway.transport.respond = refusing("temperature")
    gateway.ask("openai_chat", "home/new-model", {"messages": USER, "temperature": 1})
    body = {"max_tokens": 9, "messages": USER, "temperature": 1}
    assert gateway.ask("anthropic", "home/new-model", body).status == 200
    assert len(sent(gateway)) == 3
    gateway.clock.advance(TTL)
    gateway.ask("openai_chat", "home/new-model", {"messages": USER, "temperature": 1})
    assert b"temperature" in sent(gateway)[3]


def test_limit_of_another_protocol_keeps_its_name(gateway: MemoryGateway) -> None:
    gateway.refusals.learn("home", "new-model", ["max_tokens"], "use the other name")
    body = {"prompt": "[[say One]]", "max_tokens": 9}
    answer = gateway.ask("openai_completions", "home/new-model", body)
    assert answer.body == gateway.transport.received[-1].body
    assert json.loads(sent(gateway)[0])["max_tokens"] == 9


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("stop", ["x"]),
        ("stream_options", {"include_usage": True}),
        ("tools", []),
        ("response_format", {"type": "text"}),
        ("messages", USER),
    ],
)
def test_refusal_of_other_members_reaches_client_unchanged(
    gateway: MemoryGateway, name: str, value: object
) -> None:
    gateway.transport.respond = refusing(name)
    body = {"messages": USER, "stream": True, name: value}
    answer = gateway.ask("openai_chat", "home/new-model", body)
    assert answer.status == 400
    assert answer.body == gateway.transport.received[-1].body
    assert name.encode() in sent(gateway)[-1]
    assert WARNINGS not in answer.headers


def test_refusal_with_a_condition_reaches_client_unchanged(gateway: MemoryGateway) -> None:
    gateway.transport.respond = refusing("top_p", text="'{}' is not supported when x is set.")
    answer = gateway.ask("openai_chat", "home/new-model", {"messages": USER, "top_p": 1})
    assert answer.body == gateway.transport.received[-1].body
    assert len(sent(gateway)) == 1


def test_request_is_repeated_a_limited_number_of_times(gateway: MemoryGateway) -> None:
    names = ("temperature", "top_p", "top_k", "seed", "user")
    gateway.transport.respond = refusing(*names)
    body = {"messages": USER, **dict.fromkeys(names, 1)}
    answer = gateway.ask("openai_chat", "home/new-model", body)
    assert (answer.status, len(sent(gateway))) == (400, 4)
    assert gateway.ask("openai_chat", "home/new-model", body).status == 200


def test_refusal_that_stays_is_no_endless_loop(gateway: MemoryGateway) -> None:
    error = json.dumps({"error": {"message": "Unknown parameter: 'top_p'.", "param": "top_p"}})
    gateway.transport.respond = lambda _: Answer(400, JSON, error.encode())
    answer = gateway.ask("openai_chat", "home/new-model", {"messages": USER, "top_p": 1})
    assert (answer.status, answer.body) == (400, error.encode())
    assert len(sent(gateway)) == 2


def test_requests_at_once_are_all_repeated(gateway: MemoryGateway) -> None:
    refuse = refusing("top_p")

    def respond(request: OutgoingRequest) -> Answer | None:
        answer: Answer | None = refuse(request)
        if answer is not None:
            gateway.refusals.learn("home", "new-model", ["top_p"], "another one was first")
        return answer

    gateway.transport.respond = respond
    answer = gateway.ask("openai_chat", "home/new-model", {"messages": USER, "top_p": 1})
    assert answer.status == 200
