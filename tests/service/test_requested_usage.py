"""Streams that pass through report usage, also if the client has not asked for it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from antigravity.config.secret import Secret
from antigravity.config.settings import Settings, UpstreamSettings
from antigravity.interfaces.transport import OutgoingRequest
from antigravity.routing.learned_refusals import TTL
from tests.support.memory_gateway import Answer, MemoryGateway

USER = [{"role": "user", "content": "[[say One two three]]"}]
CHAT = {"messages": USER, "stream": True}
TEXT = {"prompt": "[[say One two three]]", "stream": True}
JSON = {"content-type": "application/json"}
ASKED = {"include_usage": True}


@pytest.fixture
def gateway(tmp_path: Path) -> MemoryGateway:
    def upstream(base: str, quirks: tuple[str, ...] = ()) -> UpstreamSettings:
        keys, apis = [Secret("sk-1")], ["chat", "completions"]
        return UpstreamSettings(
            "openai", base_url=base, api_keys=keys, apis=apis, quirks=list(quirks)
        )

    upstreams = {
        "openai": upstream("https://api.openai.com/v1"),
        "unknown": upstream("https://llm.example.com/v1"),
        "old": upstream("http://tgi.internal:3000/v1"),
        "mistral": upstream("https://api.mistral.ai/v1"),
        "quiet": upstream("https://llm.example.com/v1", ("no_stream_options",)),
    }
    return MemoryGateway(Settings(upstreams=upstreams), tmp_path)


def sent(gateway: MemoryGateway) -> list[dict[str, Any]]:
    return [
        json.loads(each.body if isinstance(each.body, bytes) else b"".join(each.body))
        for each in gateway.transport.sent
    ]


def chunks(answer: Answer) -> list[dict[str, Any]]:
    assert answer.status == 200, answer.body
    *events, done = answer.body.decode().removesuffix("\n\n").split("\n\n")
    assert done == "data: [DONE]"
    return [json.loads(event.removeprefix("data: ")) for event in events]


@pytest.mark.parametrize(
    ("protocol", "body"), [("openai_chat", CHAT), ("openai_completions", TEXT)]
)
@pytest.mark.parametrize("upstream", ["openai", "unknown"])
def test_stream_has_usage_that_the_client_does_not_see(
    gateway: MemoryGateway, upstream: str, protocol: str, body: dict[str, Any]
) -> None:
    answer = gateway.ask(protocol, f"{upstream}/gpt-4.1", body)
    (record,) = gateway.records
    assert record.attempts[-1].passed_through
    assert record.usage is not None
    assert record.usage.output > 0
    assert sent(gateway) == [{**body, "model": "gpt-4.1", "stream_options": ASKED}]
    received = gateway.transport.received[0].body
    last = [each for each in received.split(b"\n\n") if b'"usage":{' in each]
    assert len(last) == 1
    assert answer.body == received.replace(last[0] + b"\n\n", b"")
    assert all(each["choices"] for each in chunks(answer))


@pytest.mark.parametrize("options", [ASKED, {**ASKED, "include_obfuscation": False}])
def test_stream_of_client_that_asks_is_passed_on_as_it_is(
    gateway: MemoryGateway, options: dict[str, Any]
) -> None:
    answer = gateway.ask("openai_chat", "openai/gpt-4.1", {**CHAT, "stream_options": options})
    assert sent(gateway)[0]["stream_options"] == options
    assert answer.body == gateway.transport.received[0].body
    assert chunks(answer)[-1]["usage"]["completion_tokens"] == gateway.records[0].usage.output  # type: ignore[union-attr]


def test_other_stream_options_are_kept(gateway: MemoryGateway) -> None:
    options = {"include_obfuscation": False, "include_usage": False}
    answer = gateway.ask("openai_chat", "openai/gpt-4.1", {**CHAT, "stream_options": options})
    assert sent(gateway)[0]["stream_options"] == {**options, "include_usage": True}
    assert all(each["choices"] for each in chunks(answer))
    assert gateway.records[0].usage is not None


def test_several_choices_are_one_request(gateway: MemoryGateway) -> None:
    answer = gateway.ask("openai_chat", "openai/gpt-4.1", {**CHAT, "n": 2})
    assert {each["choices"][0]["index"] for each in chunks(answer)} == {0, 1}
    assert len(sent(gateway)) == 1
    assert gateway.records[0].usage is not None


def test_choices_of_several_requests_have_one_usage(gateway: MemoryGateway) -> None:
    answer = gateway.ask("openai_completions", "old/gpt-4.1", {**TEXT, "suffix": "", "n": 2})
    assert all(each["choices"] for each in chunks(answer))


def test_long_strings_are_moved_past_the_field(gateway: MemoryGateway) -> None:
    picture = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{'A' * 200_000}"}}
    content = [{"type": "text", "text": "[[say One]]"}, picture]
    body = {"messages": [{"role": "user", "content": content}], "stream": True}
    gateway.transport.respond = lambda _: Answer(
        200,
        {"content-type": "text/event-stream"},
        b'data: {"choices":[{"index":0,"delta":{"content":"One"},"finish_reason":"stop"}]}\n\n'
        b'data: {"choices":[],"usage":{"prompt_tokens":7,"completion_tokens":5}}\n\n'
        b"data: [DONE]\n\n",
    )
    answer = gateway.ask("openai_chat", "openai/gpt-4.1", body)
    assert sent(gateway) == [{**body, "model": "gpt-4.1", "stream_options": ASKED}]
    assert len(chunks(answer)) == 1
    assert gateway.records[0].usage.total == 12  # type: ignore[union-attr]


@pytest.mark.parametrize("upstream", ["mistral", "quiet"])
def test_upstream_that_is_known_to_refuse_is_not_asked(
    gateway: MemoryGateway, upstream: str
) -> None:
    answer = gateway.ask("openai_chat", f"{upstream}/gpt-4.1", CHAT)
    assert "stream_options" not in sent(gateway)[0]
    assert len(sent(gateway)) == 1
    assert answer.body == gateway.transport.received[0].body


def test_refused_field_is_left_out_and_remembered(gateway: MemoryGateway) -> None:
    for number in range(2):
        answer = gateway.ask("openai_chat", "old/gpt-4.1", CHAT)
        assert answer.body == gateway.transport.received[-1].body
        assert gateway.records[number].outcome == "ok"
    assert ["stream_options" in each for each in sent(gateway)] == [True, False, False]
    assert [each.status for each in gateway.records[0].attempts] == [422, 200]
    assert gateway.refusals.names("old", "gpt-4.1") == {"stream_options"}
    gateway.clock.advance(TTL)
    gateway.ask("openai_chat", "old/gpt-4.1", CHAT)
    assert ["stream_options" in each for each in sent(gateway)[3:]] == [True, False]


def test_translated_request_learns_from_one_that_passes(gateway: MemoryGateway) -> None:
    gateway.ask("openai_chat", "old/gpt-4.1", CHAT)
    body = {"max_tokens": 9, "messages": [{"role": "user", "content": "Hi"}], "stream": True}
    assert gateway.ask("anthropic", "old/gpt-4.1", body).status == 200
    assert "stream_options" not in sent(gateway)[-1]


def _refusing(message: str) -> Any:
    def respond(request: OutgoingRequest) -> Answer | None:
        if "stream_options" not in json.loads(request.body):  # type: ignore[arg-type]
            return None
        return Answer(400, JSON, json.dumps({"error": {"message": message}}).encode())

    return respond


@pytest.mark.parametrize(
    "message",
    [
        "stream_options is not allowed when data_sources are used.",
        "Unknown parameter: 'stream_options.include_usage'.",
        "include_usage: unexpected value",
    ],
)
def test_request_is_repeated_for_any_error_that_names_the_field(
    gateway: MemoryGateway, message: str
) -> None:
    gateway.transport.respond = _refusing(message)
    assert chunks(gateway.ask("openai_chat", "unknown/gpt-4.1", CHAT))
    assert ["stream_options" in each for each in sent(gateway)] == [True, False]


def test_refusal_with_a_condition_is_not_remembered(gateway: MemoryGateway) -> None:
    gateway.transport.respond = _refusing("stream_options is not allowed when tools are used.")
    gateway.ask("openai_chat", "unknown/gpt-4.1", CHAT)
    assert gateway.refusals.names("unknown", "gpt-4.1") == set()


def test_refusal_of_clients_own_field_reaches_client(gateway: MemoryGateway) -> None:
    body = {**CHAT, "stream_options": ASKED}
    answer = gateway.ask("openai_chat", "old/gpt-4.1", body)
    assert answer.status == 422
    assert answer.body == gateway.transport.received[0].body
    assert len(sent(gateway)) == 1


def test_error_about_something_else_is_not_repeated(gateway: MemoryGateway) -> None:
    error = b'{"error": {"message": "temperature is too hot"}}'
    gateway.transport.respond = lambda _: Answer(400, JSON, error)
    answer = gateway.ask("openai_chat", "unknown/gpt-4.1", CHAT)
    assert (answer.status, answer.body) == (400, error)
    assert len(sent(gateway)) == 1


def test_whole_response_is_not_asked_for_usage(gateway: MemoryGateway) -> None:
    gateway.ask("openai_chat", "openai/gpt-4.1", {"messages": USER})
    assert "stream_options" not in sent(gateway)[0]
    assert gateway.records[0].usage is not None


def test_json_in_place_of_a_stream_has_no_usage_for_the_client(gateway: MemoryGateway) -> None:
    body = {**CHAT, "messages": [{"role": "user", "content": "[[form whole]] Hi"}]}
    answer = gateway.ask("openai_chat", "openai/gpt-4.1", body)
    assert all(each["choices"] and "usage" not in each for each in chunks(answer))
    assert gateway.records[0].usage is not None
