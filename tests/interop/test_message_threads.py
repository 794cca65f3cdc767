"""Anthropic's message threads, by its own SDK: held by the upstream, or by the gateway."""

from __future__ import annotations

from typing import Any

import pytest
from anthropic import BadRequestError, NotFoundError

from tests.interop.anthropic_driver import client
from tests.interop.targets import ANTHROPIC, CHAT, GEMINI, TARGETS, Target, name

BETA = "message-threads-2026-08-12"
TOOL = {"name": "now", "description": "Returns the time.", "input_schema": {"type": "object"}}

every_target = pytest.mark.parametrize("target", TARGETS, ids=name)


def send(url: str, target: Target, messages: Any, thread: Any, **more: Any) -> Any:
    stream = more.pop("stream", False)
    fields: dict[str, Any] = {
        "model": target.model,
        "max_tokens": 5000,
        "messages": messages,
        "betas": [BETA],
        "extra_body": {"thread": thread},
        **more,
    }
    if not stream:
        return client(url).beta.messages.create(**fields)
    with client(url).beta.messages.stream(**fields) as events:
        return events.get_final_message()


def user(content: Any) -> list[Any]:
    return [{"role": "user", "content": content}]


def continued(message: Any) -> dict[str, Any]:
    return {"type": "continue", "previous_message_id": message.id}


@every_target
@pytest.mark.parametrize("stream", [False, True])
def test_thread_holds_conversation(url: str, target: Target, stream: bool) -> None:
    thinking = {"type": "adaptive"}
    prompt = "[[think Hm.]][[say Look.]][[tool now {}]][[then]][[tool now {}]]"
    message = send(
        url,
        target,
        user(prompt),
        {"type": "create"},
        system="Say what time it is.",
        tools=[TOOL],
        thinking=thinking,
        stream=stream,
    )
    for _ in range(2):
        (call,) = [block for block in message.content if block.type == "tool_use"]
        result = {"type": "tool_result", "tool_use_id": call.id, "content": "noon"}
        thread = continued(message)
        message = send(url, target, user([result]), thread, thinking=thinking, stream=stream)
    assert "noon" in message.content[-1].text
    for directive, expected in (("system", "what time it is"), ("tools", "now")):
        prompt = f"[[{directive}]]"
        message = send(url, target, user(prompt), continued(message), thinking=thinking)
        assert expected in message.content[-1].text


@every_target
def test_unknown_thread_is_not_found(url: str, target: Target) -> None:
    thread = {"type": "continue", "previous_message_id": "msg_unknown"}
    with pytest.raises(NotFoundError) as caught:
        send(url, target, user("Hi"), thread)
    body: Any = caught.value.body
    assert body["error"]["details"]["error_code"] == "thread_not_found"  # clients start again


def test_thread_continues_at_another_upstream_if_the_gateway_holds_it(url: str) -> None:
    message = send(url, CHAT, user("Remember FERRET-3."), {"type": "create"})
    message = send(url, ANTHROPIC, user("[[request]]"), continued(message))
    assert "FERRET-3" in message.content[-1].text
    assert send(url, GEMINI, user("[[say bye]]"), continued(message)).content[-1].text == "bye"
    message = send(url, ANTHROPIC, user("Hi"), {"type": "create"})
    with pytest.raises(NotFoundError):
        send(url, CHAT, user("Hi"), continued(message))


@every_target
@pytest.mark.parametrize(
    ("thread", "more"),
    [
        ({"type": "continue", "previous_message_id": "msg_x"}, {"betas": []}),
        ({"type": "continue"}, {}),
        ({"type": "fork"}, {}),
        ({"type": "continue", "previous_message_id": "msg_x"}, {"system": "Be brief."}),
    ],
    ids=["without-beta", "without-id", "unknown-type", "with-system"],
)
def test_invalid_thread_is_refused(url: str, target: Target, thread: Any, more: Any) -> None:
    with pytest.raises(BadRequestError):
        send(url, target, user("Hi"), thread, **more)
