"""Conversations with models that bind thinking to its history never break."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from antigravity.config.secret import Secret
from antigravity.config.settings import (
    ModelsSettings,
    Settings,
    UpstreamSettings,
)
from antigravity.interfaces.transport import OutgoingRequest, Timeouts
from antigravity.signatures.bound_thinking import BoundThinking
from antigravity.sse import SseDecoder
from tests.support.memory_gateway import Answer, MemoryGateway

BETA = "thinking-binding-controls-2026-08-01"
BOUND = ["claude-opus-5-5", "claude-sonnet-5-5", "claude-haiku-5-5", "claude-fable-5-1"]
TOOLS: list[dict[str, Any]] = [
    {"name": "Read", "input_schema": {"type": "object", "properties": {}}}
]
SYSTEM: list[dict[str, Any]] = [
    {"type": "text", "text": "x-anthropic-billing-header: cc_version=2.1;"},
    {"type": "text", "text": "You are an agent.", "cache_control": {"type": "ephemeral"}},
]


def make_gateway(
    home: Path,
    keys: int = 2,
    window: int = 1_000_000,
    before: MemoryGateway | None = None,
) -> MemoryGateway:
    """Return a gateway, with the upstream of the one before it."""
    (home / "models.toml").write_text(
        f'[[model]]\nmatch = ["claude-*"]\ncontext_window = {window}\n'
    )
    upstream = UpstreamSettings(
        "anthropic",
        base_url="https://api.anthropic.com",
        api_keys=[Secret(f"account-{number}") for number in range(keys)],
    )
    settings = Settings(
        upstreams={"claude": upstream},
        models=ModelsSettings(["models.toml"]),
    )
    return MemoryGateway(settings, home, before.transport if before else None)


def content_of(answer: Answer) -> list[dict[str, Any]]:
    """Return the blocks of a response, whole or streamed, as a client collects them."""
    if answer.headers["content-type"].startswith("application/json"):
        return list(answer.json()["content"])
    blocks: list[dict[str, Any]] = []
    inputs: dict[int, str] = {}
    for event in SseDecoder().feed(answer.body):
        data = json.loads(event.data)
        assert data["type"] != "error", data
        if data["type"] == "content_block_start":
            blocks.append(data["content_block"])
        elif data["type"] == "content_block_delta":
            delta, block = data["delta"], blocks[data["index"]]
            for name in ("text", "thinking", "signature"):
                if name in delta:
                    block[name] += delta[name]
            if "partial_json" in delta:
                inputs[data["index"]] = inputs.get(data["index"], "") + delta["partial_json"]
    for index, text in inputs.items():
        blocks[index]["input"] = json.loads(text or "{}")
    return blocks


class Conversation:
    """A client that sends the whole ``content`` of each response back, in order."""

    def __init__(self, gateway: MemoryGateway, model: str, **headers: str) -> None:
        self.gateway = gateway
        self.model = model
        self.headers = headers
        self.messages: list[dict[str, Any]] = []

    def body(self, **more: Any) -> dict[str, Any]:
        return {
            "max_tokens": 500,
            "system": SYSTEM,
            "tools": TOOLS,
            "thinking": {"type": "adaptive"},
            "messages": self.messages,
            **more,
        }

    def say(self, content: Any, **more: Any) -> Answer:
        self.messages.append({"role": "user", "content": content})
        answer = self.gateway.ask("anthropic", self.model, self.body(**more), **self.headers)
        assert answer.status == 200, (len(self.messages), answer.body)
        blocks = content_of(answer)
        assert blocks[0]["type"] == "thinking"
        self.messages.append({"role": "assistant", "content": blocks})
        return answer

    def call(self, text: str, result: str, **more: Any) -> None:
        """Let the model call a tool, and send its result."""
        self.say(f"[[think about {text}]] [[tool Read {{}}]]", **more)
        call = self.messages[-1]["content"][-1]
        self.say([{"type": "tool_result", "tool_use_id": call["id"], "content": result}], **more)


def sent(gateway: MemoryGateway) -> dict[str, Any]:
    body = gateway.transport.sent[-1].body
    loaded: dict[str, Any] = json.loads(body if isinstance(body, bytes) else b"".join(body))
    return loaded


def thinking_in(body: dict[str, Any]) -> int:
    return sum(
        block["type"] == "thinking"
        for message in body["messages"]
        if isinstance(message["content"], list)
        for block in message["content"]
    )


@pytest.mark.parametrize("model", BOUND)
def test_two_hundred_turns_with_compression_a_lost_account_and_a_restart(
    tmp_path: Path, model: str
) -> None:
    turns, window = (200, 6000) if model == BOUND[0] else (40, 2000)
    gateway = make_gateway(tmp_path, window=window)
    talk = Conversation(gateway, model, x_claude_code_session_id="s-1")
    lost, compressed, seen = "", 0, Counter[str]()
    for turn in range(turns):
        if turn == turns // 4:  # an account is lost in mid-conversation
            lost = dict(gateway.transport.sent[-1].headers)["x-api-key"]
            gateway.transport.simulator.state.refused.add(lost)
        if turn == turns // 2:  # a restart without any state
            talk.gateway = gateway = make_gateway(tmp_path, window=window, before=gateway)
        stream = turn % 3 == 0
        if turn % 4 == 0:
            talk.call(f"turn {turn}", "line of a file. " * 40, stream=stream)
        else:
            talk.say(f"turn {turn}", stream=stream)
        compressed += bool(gateway.records[-1].compressed)
        seen[dict(gateway.transport.sent[-1].headers)["x-api-key"]] += 1
    assert compressed > turns // 4
    assert len(seen) == 2
    assert lost
    refused = [answer for answer in gateway.transport.received if answer.status == 400]
    assert len(refused) <= 1, "only the first request after the restart may need a repair"


# -- the simulator checks it, and independently of the gateway ---------------------------------


def ask_api(
    gateway: MemoryGateway, body: dict[str, Any], key: str = "account-0", betas: str = ""
) -> Answer:
    """Send a request to the upstream, past the gateway."""
    headers = (
        ("content-type", "application/json"),
        ("anthropic-version", "2023-06-01"),
        ("x-api-key", key),
        *((("anthropic-beta", betas),) if betas else ()),
    )
    url, data = "https://api.anthropic.com/v1/messages", json.dumps(body).encode()
    gateway.transport.send(OutgoingRequest("POST", url, headers, data, Timeouts(1, 1, 1, 1), None))
    return gateway.transport.received[-1]


def other_system(body: dict[str, Any]) -> None:
    body["system"] = [*SYSTEM, {"type": "text", "text": "Be brief."}]


def joined_system(body: dict[str, Any]) -> None:
    body["system"] = "".join(block["text"] for block in SYSTEM)


def other_tools(body: dict[str, Any]) -> None:
    body["tools"] = [{**TOOLS[0], "name": "Read_2"}]


def shorter_result(body: dict[str, Any]) -> None:
    body["messages"][2]["content"][0]["content"] = "..."


def without_earlier_thinking(body: dict[str, Any]) -> None:
    body["messages"][1]["content"] = body["messages"][1]["content"][1:]


def other_breakpoints(body: dict[str, Any]) -> None:
    body["system"] = [{"type": "text", "text": block["text"]} for block in SYSTEM]
    body["tools"] = [{**TOOLS[0], "cache_control": {"type": "ephemeral"}}]


def text_as_block(body: dict[str, Any]) -> None:
    for message in body["messages"]:
        if isinstance(message["content"], str):
            message["content"] = [{"type": "text", "text": message["content"]}]


CHANGES = [other_system, joined_system, other_tools, shorter_result, without_earlier_thinking]


def three_turns(gateway: MemoryGateway, model: str) -> dict[str, Any]:
    """Return the next request of a conversation, after a tool call and an answer."""
    talk = Conversation(gateway, model)
    talk.call("the roof", "a long line")
    talk.messages.append({"role": "user", "content": "Go on"})
    body = json.loads(json.dumps(talk.body(model=model)))
    return dict(body)


@pytest.mark.parametrize("model", BOUND)
@pytest.mark.parametrize("change", CHANGES)
def test_api_refuses_thinking_after_a_change(
    tmp_path: Path, model: str, change: Callable[[dict[str, Any]], None]
) -> None:
    gateway = make_gateway(tmp_path, keys=1)
    body = three_turns(gateway, model)
    assert "input_transformations" not in ask_api(gateway, body).json()
    change(body)
    refused = ask_api(gateway, body)
    assert refused.status == 400
    assert "bound to a different conversation" in refused.json()["error"]["message"]
    body["thinking"]["block_binding"] = {"prefix_mismatch_behavior": "drop_block"}
    without_beta = ask_api(gateway, body)
    assert without_beta.json()["error"]["message"] == (
        "thinking.adaptive.block_binding: Extra inputs are not permitted"
    )
    dropped = ask_api(gateway, body, betas=f"a,{BETA}").json()["input_transformations"]
    assert {each["reason"] for each in dropped} == {"prefix_binding_mismatch"}


@pytest.mark.parametrize("change", [other_breakpoints, text_as_block])
def test_api_accepts_thinking_after_changes_that_mean_nothing(
    tmp_path: Path, change: Callable[[dict[str, Any]], None]
) -> None:
    gateway = make_gateway(tmp_path, keys=1)
    body = three_turns(gateway, BOUND[0])
    change(body)
    answer = ask_api(gateway, body)
    assert answer.status == 200, answer.body
    assert "input_transformations" not in answer.json()


@pytest.mark.parametrize(("model", "bound"), [("claude-opus-5-5", 0), ("claude-sonnet-5-5", 2)])
def test_api_drops_thinking_of_another_account(tmp_path: Path, model: str, bound: int) -> None:
    gateway = make_gateway(tmp_path, keys=1)
    answer = ask_api(gateway, three_turns(gateway, model), key="another")
    assert answer.status == 200
    assert len(answer.json().get("input_transformations", ())) == bound


def test_older_models_do_not_bind_thinking(tmp_path: Path) -> None:
    gateway = make_gateway(tmp_path, keys=1)
    body = three_turns(gateway, "claude-opus-4-8")
    other_system(body)
    assert ask_api(gateway, body).status == 200


# -- the gateway ------------------------------------------------------------------------------


@pytest.mark.parametrize("model", BOUND)
@pytest.mark.parametrize("stream", [False, True])
def test_native_requests_are_never_edited(tmp_path: Path, model: str, stream: bool) -> None:
    gateway = make_gateway(tmp_path)
    talk = Conversation(gateway, model, x_claude_code_session_id="s-1")
    for turn in range(4):
        talk.call(f"turn {turn}", "a line", stream=stream)
        assert gateway.records[-1].attempts[-1].passed_through
    assert thinking_in(sent(gateway)) == 7
    assert "block_binding" not in sent(gateway)["thinking"]
    accounts = {dict(each.headers)["x-api-key"] for each in gateway.transport.sent}
    assert len(accounts) == 1


@pytest.mark.parametrize("model", BOUND)
@pytest.mark.parametrize("change", CHANGES)
def test_changed_history_is_repaired_once_and_then_remembered(
    tmp_path: Path, model: str, change: Callable[[dict[str, Any]], None]
) -> None:
    gateway = make_gateway(tmp_path, keys=1)
    body = three_turns(gateway, model)
    change(body)
    for number in range(3):
        answer = gateway.ask("anthropic", model, body, x_claude_code_session_id="s-1")
        assert answer.status == 200, answer.body
        assert len(gateway.records[-1].attempts) == (1 if number else 2)
        assert sent(gateway)["thinking"]["block_binding"] == {
            "prefix_mismatch_behavior": "drop_block"
        }
        assert BETA in dict(gateway.transport.sent[-1].headers)["anthropic-beta"]
        assert "drops what does not fit" in answer.headers["x-antigravity-warnings"]


@pytest.mark.parametrize("model", BOUND)
@pytest.mark.parametrize(
    "message",
    [
        "thinking.adaptive.block_binding: Extra inputs are not permitted",
        f"Unexpected value(s) `{BETA}` for the `anthropic-beta` header.",
    ],
)
def test_history_goes_without_thinking_where_it_cannot_be_dropped(
    tmp_path: Path, model: str, message: str
) -> None:
    gateway = make_gateway(tmp_path, keys=1)
    body = three_turns(gateway, model)
    other_system(body)

    def respond(request: OutgoingRequest) -> Answer | None:
        if BETA not in dict(request.headers).get("anthropic-beta", ""):
            return None
        error = {"type": "invalid_request_error", "message": message}
        data = json.dumps({"type": "error", "error": error}).encode()
        return Answer(400, {"content-type": "application/json"}, data)

    gateway.transport.respond = respond
    for attempts in (3, 1):
        answer = gateway.ask("anthropic", model, body, x_claude_code_session_id="s-1")
        assert answer.status == 200, answer.body
        assert len(gateway.records[-1].attempts) == attempts
        assert thinking_in(sent(gateway)) == 0
        assert "sent without thinking" in answer.headers["x-antigravity-warnings"]


@pytest.mark.parametrize("model", BOUND)
@pytest.mark.parametrize("protocol", ["openai_chat", "openai_responses", "gemini"])
def test_clients_of_other_protocols_are_never_refused(
    tmp_path: Path, model: str, protocol: str
) -> None:
    gateway = make_gateway(tmp_path)
    answers = [
        gateway.ask(protocol, model, body) for body in conversation_of(gateway, protocol, model)
    ]
    assert [answer.status for answer in answers] == [200, 200, 200]
    exchanged = zip(gateway.transport.sent, gateway.transport.received, strict=True)
    statuses = [answer.status for request, answer in exchanged if request.method == "POST"]
    assert statuses == [200, 200, 200], "nothing has to be repaired"


def conversation_of(gateway: MemoryGateway, protocol: str, model: str) -> Iterator[dict[str, Any]]:
    """Yield requests of one conversation; before the next one, the last one was answered."""
    body: dict[str, Any]
    opening = "[[think hm]] [[tool Read {}]]"
    schema = {"type": "object", "properties": {}}
    if protocol == "openai_chat":
        function = {"name": "Read", "parameters": schema}
        chat: list[Any] = [{"role": "user", "content": opening}]
        body = {"messages": chat, "tools": [{"type": "function", "function": function}]}
        more: dict[str, Any] = {"reasoning_effort": "high"}
        yield {**body, **more}
        reply = answer_of(gateway, protocol)["choices"][0]["message"]
        (call,) = reply["tool_calls"]
        chat += [reply, {"role": "tool", "tool_call_id": call["id"], "content": "a line"}]
        yield {**body, **more, "response_format": {"type": "json_object"}}
        chat += [answer_of(gateway, protocol)["choices"][0]["message"]]
        chat += [{"role": "user", "content": "Go on"}]
        yield {**body, **more, "tool_choice": "required"}
    elif protocol == "openai_responses":
        items: list[Any] = [{"role": "user", "content": opening}]
        tool = {"type": "function", "name": "Read", "parameters": schema}
        body = {"input": items, "tools": [tool], "reasoning": {"effort": "high"}, "store": False}
        body["include"] = ["reasoning.encrypted_content"]
        yield body
        items += answer_of(gateway, protocol)["output"]
        call_id = items[-1]["call_id"]
        items += [{"type": "function_call_output", "call_id": call_id, "output": "a line"}]
        yield {**body, "instructions": "Be brief."}
        items += [*answer_of(gateway, protocol)["output"], {"role": "user", "content": "Go on"}]
        yield body
    else:
        contents: list[Any] = [{"role": "user", "parts": [{"text": opening}]}]
        declared = {"functionDeclarations": [{"name": "Read", "parameters": schema}]}
        thinking = {"thinkingConfig": {"includeThoughts": True}}
        body = {"contents": contents, "tools": [declared], "generationConfig": thinking}
        yield body
        contents += [answer_of(gateway, protocol)["candidates"][0]["content"]]
        result = {"functionResponse": {"name": "Read", "response": {"output": "a line"}}}
        contents += [{"role": "user", "parts": [result]}]
        yield {**body, "systemInstruction": {"parts": [{"text": "Be brief."}]}}
        contents += [answer_of(gateway, protocol)["candidates"][0]["content"]]
        contents += [{"role": "user", "parts": [{"text": "Go on"}]}]
        yield body


def answer_of(gateway: MemoryGateway, protocol: str) -> Any:
    """Return the last response to a client."""
    return gateway.answers[-1].json()


def test_thinking_that_is_off_needs_no_thinking_in_the_history(tmp_path: Path) -> None:
    gateway = make_gateway(tmp_path, keys=1)
    body = three_turns(gateway, "claude-haiku-5-5")
    other_system(body)
    body["thinking"] = {"type": "disabled"}
    answer = gateway.ask("anthropic", "claude-haiku-5-5", body)
    assert answer.status == 200, answer.body
    assert thinking_in(sent(gateway)) == 0


@pytest.mark.parametrize(("model", "warned"), [("claude-opus-5-5", False), (BOUND[1], True)])
def test_conversation_that_loses_its_account_is_served_and_says_so(
    tmp_path: Path, model: str, warned: bool
) -> None:
    gateway = make_gateway(tmp_path)
    talk = Conversation(gateway, model, x_claude_code_session_id="s-1")
    talk.call("the roof", "a line")
    lost = dict(gateway.transport.sent[-1].headers)["x-api-key"]
    gateway.transport.simulator.state.refused.add(lost)
    answer = talk.say("Go on")
    assert dict(gateway.transport.sent[-1].headers)["x-api-key"] != lost
    told = "bound to another account" in answer.headers.get("x-antigravity-warnings", "")
    assert told == warned
    assert "another account" not in talk.say("And on").headers.get("x-antigravity-warnings", "")


def test_number_of_remembered_conversations_is_limited() -> None:
    bound = BoundThinking(max_entries=3)
    bound.note_change("a")
    for number in range(3):
        assert not bound.use_account(f"c{number}", "x")
    assert len(bound) == 3
    assert not bound.is_changed("a")
    assert bound.use_account("c2", "y")
