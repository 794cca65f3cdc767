"""The simulated OpenAI APIs refuse invalid requests with the provider's messages."""

from __future__ import annotations

from typing import Any

import pytest

from antigravity.simulator.errors import ApiError
from antigravity.simulator.parsers.responses import parse
from antigravity.simulator.signatures import sign
from antigravity.simulator.validation import chat, responses

USER = {"role": "user", "content": "hi"}
CALL = {
    "role": "assistant",
    "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
}
ANSWER = {"role": "tool", "tool_call_id": "c1", "content": "ok"}
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
OPEN = {"type": "object", "properties": {}}


def talk(*messages: Any, **fields: Any) -> dict[str, Any]:
    """Return a request for a chat completion."""
    return {"model": "gpt-4o", "messages": list(messages or (USER,)), **fields}


def tool(**fields: Any) -> dict[str, Any]:
    """Return a tool that differs in some fields."""
    return {"type": "function", "function": {**TOOL["function"], **fields}}  # type: ignore[dict-item]


CHAT: list[tuple[dict[str, Any], str]] = [
    (talk(top_k=1), "Unrecognized request argument supplied: top_k"),
    (talk({"role": "model", "content": "x"}), "Invalid value: 'model'. Supported values are:"),
    (talk(USER, CALL, USER), "The following tool_call_ids did not have response messages: c1"),
    (talk(USER, CALL), "must be followed by tool messages"),
    (talk(USER, ANSWER), "must be a response to a preceeding message with 'tool_calls'"),
    (talk(USER, CALL, {**ANSWER, "tool_call_id": "x"}), "'tool_call_id' of 'x' not found"),
    (talk({**USER, "cache_control": {}}), "Unknown parameter: 'messages[0].cache_control'."),
    (talk({"role": "assistant", "content": None}), "expected a string, got null"),
    (talk({"role": "user", "content": [{"type": "input_text", "text": ""}]}), "'input_text'"),
    (talk(USER, {**CALL, "tool_calls": [{**CALL["tool_calls"][0], "id": "x" * 41}]}),  # type: ignore[dict-item]
     "maximum length 40"),
    (talk({"role": "user", "content": [{"type": "image_url", "image_url": {
        "url": "data:image/png;base64,?"}}]}), "Invalid base64 image_url."),
    (talk(tools=[tool(name="a.b")]), "does not match pattern"),
    (talk(tools=[tool(name="a" * 65)]), "maximum length 64"),
    (talk(tools=[tool(parameters={"type": "OBJECT"})]), "schema must be a JSON Schema of"),
    (talk(tools=[tool(parameters={"type": "object", "properties": {"a": {"type": "array"}}})]),
     "In context=('properties', 'a'), array schema missing items."),
    (talk(tools=[tool(parameters=OPEN, strict=True)]), "'additionalProperties' is required"),
    (talk(tools=[]), "Invalid 'tools': empty array."),
    (talk(tools=[TOOL], tool_choice="any"), "Invalid value: 'any'."),
    (talk(tool_choice="auto"), "'tool_choice' is only allowed when 'tools' are specified"),
    (talk(tools=[TOOL], tool_choice={"type": "function", "function": {"name": "g"}}),
     "'g' not found"),
    (talk(stop=list("abcde")), "maximum length 4, but got an array with length 5"),
    (talk(response_format={"type": "json_schema", "json_schema": {"schema": OPEN}}),
     "Missing required parameter: 'response_format.json_schema.name'."),
    (talk(response_format={"type": "json_object"}), "must contain the word 'json'"),
    (talk(stream_options={}), "only allowed when 'stream' is enabled"),
    (talk(model="gpt-5", max_tokens=5), "Use 'max_completion_tokens' instead."),
    (talk(model="gpt-5", temperature=0.5), "does not support 0.5 with this model"),
    (talk(max_tokens=1, max_completion_tokens=1), "at the same time is not supported"),
]  # fmt: skip


@pytest.mark.parametrize(("request_", "message"), CHAT, ids=[m for _, m in CHAT])
def test_invalid_chat_request_is_refused(request_: dict[str, Any], message: str) -> None:
    with pytest.raises(ApiError) as caught:
        chat.check(request_)
    assert caught.value.status == 400
    assert message in caught.value.message


def test_valid_chat_request_is_accepted() -> None:
    chat.check(talk(USER, CALL, ANSWER, USER, tools=[TOOL], tool_choice="required"))
    chat.check(talk(thinking={"type": "enabled"}), lenient=True)


def item(kind: str, **fields: Any) -> dict[str, Any]:
    """Return an item of the input."""
    return {"type": kind, **fields}


FUNCTION = item("function_call", call_id="c1", name="f", arguments="{}")
OUTPUT = item("function_call_output", call_id="c1", output="ok")
SAID = {"role": "user", "content": "hi"}
GOOD = "gAAAA" + sign("openai", "x")
THOUGHT = item("reasoning", id="rs_1", summary=[], encrypted_content=GOOD)
RESPONSES: list[tuple[Any, dict[str, Any], str]] = [
    ([OUTPUT], {}, "No tool call found for function call output with call_id c1."),
    ([SAID, FUNCTION], {}, "No tool output found for function call c1."),
    ([item("tool_result")], {}, "Invalid value: 'tool_result'."),
    ([{"role": "tool", "content": ""}], {}, "Invalid value: 'tool'."),
    ([{"role": "assistant", "content": [{"type": "input_text", "text": ""}]}], {},
     "Supported values are: 'output_text' and 'refusal'."),
    ([{**THOUGHT, "encrypted_content": "gAAAAx"}, SAID], {}, "could not be verified"),
    ([{**THOUGHT, "id": "x"}, SAID], {}, "Expected an ID that begins with 'rs'."),
    ([THOUGHT], {}, "without its required following item"),
    ([{**FUNCTION, "id": "call_1"}, OUTPUT], {}, "Expected an ID that begins with 'fc'."),
    ("x", {"max_tokens": 5}, "Unknown parameter: 'max_tokens'."),
    ("x", {"max_output_tokens": 5}, "Expected a value >= 16"),
    ("x", {"tools": [TOOL]}, "Missing required parameter: 'tools[0].name'."),
    ("x", {"tools": [item("function_x")]}, "Invalid value: 'function_x'."),
    ("x", {"tool_choice": "required"}, "Tool choice requires 'tools' to be specified."),
    ("x", {"include": ["everything"]}, "Invalid value: 'everything'."),
    ("x", {"text": {"format": {"type": "json_schema", "schema": {}}}}, "'text.format.name'"),
]  # fmt: skip


@pytest.mark.parametrize(("given", "fields", "message"), RESPONSES, ids=[r[2] for r in RESPONSES])
def test_invalid_responses_request_is_refused(
    given: Any, fields: dict[str, Any], message: str
) -> None:
    with pytest.raises(ApiError) as caught:
        responses.check({"model": "gpt-5.1", "input": given, **fields})
    assert caught.value.status == 400
    assert message in caught.value.message


def test_reasoning_that_was_not_stored_is_not_found() -> None:
    message = item("message", role="assistant", content="So.")
    given = [item("reasoning", id="rs_1", summary=[]), message]
    request_ = {"model": "gpt-5.1", "input": given, "store": False}
    with pytest.raises(ApiError) as caught:
        responses.check(request_)
    assert caught.value.status == 404
    responses.check(request_, is_stored_item=lambda id_: id_ == "rs_1")


def test_valid_responses_request_is_accepted() -> None:
    namespace = item("namespace", name="mcp__x", tools=[item("function", name="f")])
    given = [SAID, THOUGHT, FUNCTION, OUTPUT]
    responses.check({"model": "gpt-5.1", "input": given, "tools": [namespace]})


def test_tools_may_be_an_item_of_the_input() -> None:
    inner = [item("custom", name="exec"), item("function", name="wait")]
    tools = item("additional_tools", tools=[item("namespace", name="functions", tools=inner)])
    body = {"model": "gpt-5.1", "input": [tools, SAID], "tool_choice": item("custom", name="exec")}
    responses.check(body)
    seen = parse(body, body["input"])
    assert [(tool.full_name, tool.custom) for tool in seen.tools] == [
        ("functions.exec", True),
        ("functions.wait", False),
    ]
    wrong = item("additional_tools", tools=[item("function", name="a.b")])
    with pytest.raises(ApiError, match="does not match pattern") as caught:
        responses.check({"model": "gpt-5.1", "input": [wrong, SAID]})
    assert caught.value.param == "input[0].tools[0].name"
