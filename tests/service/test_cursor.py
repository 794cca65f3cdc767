"""Cursor's requests to chat completions: bodies of other APIs, answered with chat completions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import openai.types.chat
import pytest

from antigravity.config.secret import Secret
from antigravity.config.settings import Settings, UpstreamSettings
from antigravity.sse import SseDecoder
from tests.support.memory_gateway import MemoryGateway

UPSTREAMS: Final = {
    "chat": ("openai", "https://chat.example/v1", ["chat"]),
    "responses": ("openai", "https://responses.example/v1", ["responses"]),
    "anthropic": ("anthropic", "https://api.anthropic.com", []),
    "gemini": ("gemini_api", "https://generativelanguage.googleapis.com", []),
}
MODELS: Final = {
    "chat": "gpt-4.1",
    "responses": "gpt-5.5",
    "anthropic": "claude-sonnet-4-6",
    "gemini": "gemini-3-pro-preview",
}
EVERY: Final = pytest.mark.parametrize("name", UPSTREAMS)
SCHEMA: Final = {"type": "object", "properties": {"cmd": {"type": "string"}}, "required": ["cmd"]}
GRAMMAR: Final = {"type": "grammar", "syntax": "lark", "definition": "start: /(.|\\n)+/"}
SHELL: Final = {"type": "function", "name": "Shell", "description": "Run", "parameters": SCHEMA}
PATCH: Final = {"type": "custom", "name": "ApplyPatch", "description": "Edit", "format": GRAMMAR}
NESTED_SHELL: Final = {
    "type": "function",
    "function": {"name": "Shell", "description": "Run", "parameters": SCHEMA},
}
TEXT: Final = "*** Begin Patch\n*** End Patch"


def asking(text: str, *more: Any, **fields: Any) -> dict[str, Any]:
    """Return a body as Cursor's agent writes it for models of OpenAI."""
    return {
        "input": [
            {"role": "system", "content": "You are an agent."},
            {"role": "user", "content": [{"type": "input_text", "text": text}]},
            *more,
        ],
        "tools": [SHELL, PATCH],
        "include": ["reasoning.encrypted_content"],
        "reasoning": {"effort": "medium", "summary": "auto"},
        "text": {"verbosity": "low"},
        "stream_options": {"include_usage": True},
        "store": False,
        "truncation": "disabled",
        "previous_response_id": None,
        "prompt_cache_retention": "24h",
        "user": "someone",
        "metadata": {"cursorConversationId": "c"},
        **fields,
    }


def anthropic_form(text: str, *more: Any) -> dict[str, Any]:
    """Return a body as Cursor's agent writes it for models of Anthropic."""
    cache = {"cache_control": {"type": "ephemeral"}}
    return {
        "system": [{"type": "text", "text": "You are an agent.", **cache}],
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": text, **cache}]},
            *more,
        ],
        "tools": [{"name": "Shell", "description": "Run", "input_schema": SCHEMA}],
        "tool_choice": {"type": "auto"},
        "max_tokens": 9000,
        "stream_options": {"include_usage": True},
    }


@pytest.fixture
def gateway(tmp_path: Path) -> MemoryGateway:
    upstreams = {}
    for name, (kind, base, apis) in UPSTREAMS.items():
        more: dict[str, Any] = {"apis": apis} if apis else {}
        upstreams[name] = UpstreamSettings(kind, base_url=base, api_keys=[Secret("sk")], **more)
    return MemoryGateway(Settings(upstreams=upstreams), tmp_path)


def ask(gateway: MemoryGateway, name: str, body: dict[str, Any]) -> Any:
    """Return the message of a whole completion, after checking it and the streamed one."""
    model = f"{name}/{MODELS[name]}"
    whole = gateway.ask("openai_chat", model, body)
    assert whole.status == 200, whole.body
    completion = openai.types.chat.ChatCompletion.model_validate_json(whole.body, strict=True)
    streamed = gateway.ask("openai_chat", model, {**body, "stream": True})
    assert streamed.status == 200, streamed.body
    frames = [each.data for each in SseDecoder().feed(streamed.body)]
    assert frames[-1] == b"[DONE]"
    chunks = [
        openai.types.chat.ChatCompletionChunk.model_validate_json(each, strict=True)
        for each in frames[:-1]
    ]
    assert chunks[-1].usage is not None
    message = completion.choices[0].message
    deltas = [choice.delta for chunk in chunks for choice in chunk.choices]
    assert "".join(each.content or "" for each in deltas) == (message.content or "")
    pieces = [call for each in deltas for call in each.tool_calls or ()]
    for place, call in enumerate(message.tool_calls or ()):
        assert call.type == "function"
        own = [each.function for each in pieces if each.index == place]
        assert "".join((each.arguments if each else "") or "" for each in own) == (
            call.function.arguments
        )
    return message


@EVERY
def test_responses_body_gets_chat_completion(gateway: MemoryGateway, name: str) -> None:
    message = ask(gateway, name, asking("[[say Hello]]"))
    assert message.content == "Hello"
    sent = json.loads(gateway.transport.sent[-1].body)
    assert "You are an agent." in json.dumps(sent)
    assert not gateway.records[-1].attempts[-1].passed_through
    assert gateway.records[-1].protocol == "openai_chat"


@EVERY
def test_custom_tool_is_called_as_function_with_its_text(gateway: MemoryGateway, name: str) -> None:
    call = json.dumps({"input": TEXT})
    prompt = f'[[tool ApplyPatch {call}]] [[tool Shell {{"cmd": "ls"}}]]'
    message = ask(gateway, name, asking(prompt))
    patch, shell = message.tool_calls
    assert (patch.function.name, patch.function.arguments) == ("ApplyPatch", TEXT)
    assert json.loads(shell.function.arguments) == {"cmd": "ls"}


@pytest.mark.parametrize("form", ["items", "messages"])
@EVERY
def test_history_returns_calls_to_their_tools(gateway: MemoryGateway, name: str, form: str) -> None:
    if form == "items":
        history: list[Any] = [
            {"type": "function_call", "call_id": "c1", "name": "ApplyPatch", "arguments": TEXT},
            {"type": "function_call_output", "call_id": "c1", "output": "patched"},
        ]
    else:
        function = {"name": "ApplyPatch", "arguments": TEXT}
        calls = [{"id": "c1", "type": "function", "function": function}]
        history = [
            {"role": "assistant", "content": "Wait", "tool_calls": calls},
            {"role": "tool", "tool_call_id": "c1", "content": "patched"},
        ]
    message = ask(gateway, name, asking("Patch it.", *history))
    assert message.content == "Result: patched"
    sent = json.loads(gateway.transport.sent[-1].body)
    if name == "responses":
        call, output = sent["input"][-2:]
        assert (call["type"], call["input"]) == ("custom_tool_call", TEXT)
        assert output["type"] == "custom_tool_call_output"
        assert sent["tools"][1]["format"] == GRAMMAR
    else:  # a function, whose argument is the text
        assert json.dumps(TEXT)[1:-1] in json.dumps(sent).replace("\\\\", "\\")


@EVERY
def test_flat_tools_beside_usual_ones_are_understood(gateway: MemoryGateway, name: str) -> None:
    function = {"name": "ApplyPatch", "arguments": TEXT}
    body = {
        "messages": [
            {"role": "user", "content": "Patch it."},
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [{"id": "c1", "type": "function", "function": function}],
            },
            {"role": "tool", "tool_call_id": "c1", "content": "patched"},
            {"role": "user", "content": f"[[tool ApplyPatch {json.dumps({'input': TEXT})}]]"},
        ],
        "tools": [NESTED_SHELL, PATCH],
        "stream_options": {"include_usage": True},
    }
    (call,) = ask(gateway, name, body).tool_calls
    assert (call.function.name, call.function.arguments) == ("ApplyPatch", TEXT)
    assert not gateway.records[-1].attempts[-1].passed_through


@EVERY
def test_anthropic_form_gets_chat_completion(gateway: MemoryGateway, name: str) -> None:
    message = ask(gateway, name, anthropic_form('[[tool Shell {"cmd": "ls"}]]'))
    (call,) = message.tool_calls
    assert (call.function.name, json.loads(call.function.arguments)) == ("Shell", {"cmd": "ls"})
    use = {"type": "tool_use", "id": call.id, "name": "Shell", "input": {"cmd": "ls"}}
    result = {"type": "tool_result", "tool_use_id": call.id}
    history = (
        {"role": "assistant", "content": [{"type": "text", "text": "Wait"}, use]},
        {
            "role": "user",
            "content": [{**result, "content": [{"type": "text", "text": "a.txt"}]}],
        },
    )
    message = ask(gateway, name, anthropic_form("List.", *history))
    assert message.content == "Result: a.txt"
    sent = json.dumps(json.loads(gateway.transport.sent[-1].body))
    assert "You are an agent." in sent
    assert '"cmd"' in sent, "the schema arrives"
    assert not gateway.records[-1].attempts[-1].passed_through


def test_grammar_has_the_form_of_each_api(gateway: MemoryGateway) -> None:
    nested = {"type": "grammar", "grammar": {"syntax": "lark", "definition": "start: /a/"}}
    tool = {"type": "custom", "custom": {"name": "ApplyPatch", "format": nested}}
    body = {"messages": [{"role": "user", "content": "Hi"}], "tools": [tool]}
    assert gateway.ask("openai_chat", "responses/gpt-5.5", body).status == 200
    (sent,) = json.loads(gateway.transport.sent[-1].body)["tools"]
    assert sent["format"] == {"type": "grammar", "syntax": "lark", "definition": "start: /a/"}


def test_usual_bodies_still_pass_byte_for_byte(gateway: MemoryGateway) -> None:
    custom = {"type": "custom", "custom": {"name": "ApplyPatch"}}
    for tools in ([NESTED_SHELL], [NESTED_SHELL, custom], [custom]):
        body = {"messages": [{"role": "user", "content": 'say "input": []'}], "tools": tools}
        gateway.ask("openai_chat", "chat/gpt-4.1", body)
        assert gateway.records[-1].attempts[-1].passed_through
        assert json.loads(gateway.transport.sent[-1].body) == {**body, "model": "gpt-4.1"}


def test_body_without_messages_and_input_is_refused_by_upstream(gateway: MemoryGateway) -> None:
    answer = gateway.ask("openai_chat", "chat/gpt-4.1", {"prompt": "Hi"})
    assert answer.status == 400
    assert gateway.records[-1].attempts[-1].passed_through


@EVERY
def test_reference_to_stored_conversation_is_refused(gateway: MemoryGateway, name: str) -> None:
    body = asking("Hi", conversation="conv_1")
    answer = gateway.ask("openai_chat", f"{name}/{MODELS[name]}", body)
    assert answer.status == 400
    assert answer.json()["error"]["param"] == "conversation"


@EVERY
def test_forced_tools_in_either_form(gateway: MemoryGateway, name: str) -> None:
    for choice in (
        {"type": "function", "name": "Shell"},
        {"type": "function", "function": {"name": "Shell"}},
        "required",
    ):
        body = asking("Hi", tool_choice=choice)
        body["tools"] = [NESTED_SHELL]
        body["reasoning"] = None
        (call,) = ask(gateway, name, body).tool_calls
        assert call.function.name == "Shell"
    body = {**anthropic_form("Hi"), "tool_choice": {"type": "tool", "name": "Shell"}}
    assert ask(gateway, name, body).tool_calls[0].function.name == "Shell"
