"""Turns that hold nothing, or thinking alone, do not reach upstreams that refuse them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from antigravity.ir.capabilities import Capabilities, Target
from antigravity.ir.parts import Part, Text, Thinking, ToolCall
from antigravity.ir.request import Message, Request
from antigravity.ir.signature import Signature
from antigravity.protocols.anthropic.protocol import ANTHROPIC_CLIENT
from antigravity.protocols.gemini.protocol import GEMINI_CLIENT
from antigravity.protocols.gemini_interactions.client import interactions_client
from antigravity.protocols.instructions import OPENING
from antigravity.protocols.openai_chat.protocol import OPENAI_CHAT_CLIENT
from antigravity.protocols.openai_responses.protocol import OPENAI_RESPONSES_CLIENT

QUESTION = Message("user", (Text("hi"),))
ANSWER = Message("assistant", (Text("hello"),))
BLANK = Message("user", (Text(" \n"),))

#: Clients of upstreams that refuse texts of white space.
ENDINGS = [ANTHROPIC_CLIENT, GEMINI_CLIENT, interactions_client(GEMINI_CLIENT)]

CLIENTS: dict[str, Any] = {
    "chat": OPENAI_CHAT_CLIENT,
    "responses": OPENAI_RESPONSES_CLIENT,
    "anthropic": ANTHROPIC_CLIENT,
    "gemini": GEMINI_CLIENT,
}
#: What each of them signs with, so that the thinking itself is not what is dropped.
FAMILIES = {"chat": "openai", "responses": "openai", "anthropic": "claude", "gemini": "gemini"}


def turns(name: str, *said: tuple[Part, ...]) -> list[Any]:
    """Return the turns of a conversation on the wire."""
    messages = [Message("user", (Text("first"),))]
    messages += [Message("assistant", parts) for parts in said]
    messages.append(Message("user", (Text("second"),)))
    family: Any = FAMILIES[name]
    target = Target("m", Capabilities(family, "budget", max_budget=9000))
    request = Request("m", tuple(messages), "elsewhere", max_output_tokens=100)
    body = json.loads(CLIENTS[name].encode(request, target).body)
    return list(body.get("messages") or body.get("input") or body["contents"])


@pytest.mark.parametrize("name", CLIENTS)
@pytest.mark.parametrize("signed", [True, False])
def test_thinking_only_turn_is_dropped(name: str, signed: bool) -> None:
    signature = Signature("c2ln", FAMILIES[name]) if signed else None
    found = turns(name, (Thinking("hm", signature),))
    assert "hm" not in json.dumps(found)
    assert "c2ln" not in json.dumps(found)
    assert {each.get("role") for each in found} == {"user"}
    assert "first" in json.dumps(found)
    assert "second" in json.dumps(found)


@pytest.mark.parametrize("name", CLIENTS)
def test_empty_turn_is_dropped(name: str) -> None:
    assert {each.get("role") for each in turns(name, (Text(""),))} == {"user"}
    assert {each.get("role") for each in turns(name, ())} == {"user"}


@pytest.mark.parametrize("name", ["responses", "anthropic", "gemini"])
def test_thinking_turn_before_text_or_call_is_kept(name: str) -> None:
    thinking = Thinking("hm", Signature("c2ln", FAMILIES[name]))
    for said in (
        ((thinking,), (Text("so"),)),
        ((thinking,), (ToolCall("call_1", "f"),)),
        ((thinking, Text("so")),),
    ):
        assert "c2ln" in json.dumps(turns(name, *said))


@pytest.mark.parametrize("client", ENDINGS)
@pytest.mark.parametrize(
    "said",
    [
        (BLANK,),
        (QUESTION, ANSWER, BLANK),
        (QUESTION, ANSWER, BLANK, Message("user", ())),
        (QUESTION, ANSWER, Message("system", (Text("note"),)), BLANK),
    ],
)
def test_blank_last_turn_becomes_a_word(client: Any, said: tuple[Message, ...]) -> None:
    encoded = client.encode(
        Request("m", said, "elsewhere"), Target("m", Capabilities(prefill=False))
    )
    body = json.loads(encoded.body)
    last = json.dumps((body.get("messages") or body.get("input") or body["contents"])[-1])
    assert OPENING in last
    assert "hello" in json.dumps(body) or ANSWER not in said
    details = [loss.detail for loss in encoded.warnings if loss.field == "messages"]
    assert any(OPENING in detail for detail in details)


@pytest.mark.parametrize("client", ENDINGS)
@pytest.mark.parametrize("said", [(QUESTION, BLANK), (QUESTION, ANSWER, QUESTION, BLANK)])
def test_blank_text_after_another_is_left_out(client: Any, said: tuple[Message, ...]) -> None:
    encoded = client.encode(Request("m", said, "elsewhere"), Target("m"))
    assert OPENING not in encoded.body.decode()
