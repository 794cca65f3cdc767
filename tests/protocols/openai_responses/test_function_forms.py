"""Calls of functions become items of a tool's type, whatever the model has written."""

from __future__ import annotations

from typing import Any

import pytest

from antigravity.ir import events as ev
from antigravity.ir.parts import Text, ToolCall, ToolResult
from antigravity.ir.signature import Signature
from antigravity.ir.tools import FunctionTool, ToolChoice
from antigravity.protocols.openai_responses.function_forms import as_functions
from tests.protocols.openai_responses.builders import decode

SHELL = {"type": "shell"}
PATCH = {"type": "apply_patch"}
LOCAL = {"type": "local_shell"}
SEARCH = {"type": "tool_search", "execution": "client"}


def restored(tool: dict[str, Any], *events: ev.Event) -> list[ev.Event]:
    """Return what the events of a response become for a client with this tool."""
    forms = as_functions(decode({"tools": [tool]}))
    assert forms is not None
    assert forms.restorer is not None
    return [out for event in events for out in forms.restorer.feed(event)]


def item_of(tool: dict[str, Any], arguments: str) -> dict[str, Any]:
    """Return the item of a call with these arguments, without what all items have."""
    start, delta = ev.ToolCallStart(0, "c", tool["type"]), ev.ToolCallDelta(0, arguments)
    begun, done = restored(tool, start, delta, ev.ToolCallEnd(0))
    assert isinstance(begun, ev.OpaqueOutput)
    assert isinstance(done, ev.OpaqueOutput)
    assert not begun.complete
    assert done.complete
    common = {"type": f"{tool['type']}_call", "call_id": "c", "status": "completed"}
    assert done.wire.items() >= common.items()
    return {name: value for name, value in done.wire.items() if name not in common}


@pytest.mark.parametrize(
    ("tool", "arguments", "item"),
    [
        (SHELL, '{"commands": "ls"}', {"commands": ["ls"]}),
        (SHELL, "ls", {"commands": ["ls"]}),
        (SHELL, '{"commands": [1, "ls"], "timeout_ms": "x"}', {"commands": ["1", "ls"]}),
        (SHELL, "", {"commands": [""]}),
        (LOCAL, '{"command": "ls -l"}', {"command": ["bash", "-lc", "ls -l"], "env": {}}),
        (LOCAL, '{"command": ["ls"], "env": {"A": 1}}', {"command": ["ls"], "env": {"A": "1"}}),
    ],
)
def test_commands_are_lists(tool: dict[str, Any], arguments: str, item: dict[str, Any]) -> None:
    action = item_of(tool, arguments)["action"]
    assert action.items() >= item.items()


@pytest.mark.parametrize(
    ("arguments", "operation"),
    [
        (
            '{"type": "create_file", "path": "a", "diff": "+x"}',
            {"type": "create_file", "path": "a", "diff": "+x"},
        ),
        ('{"type": "delete_file", "path": "a", "diff": "x"}', {"type": "delete_file", "path": "a"}),
        ('{"path": "a"}', {"type": "update_file", "path": "a", "diff": ""}),
        ("@@\n-x", {"type": "update_file", "path": "", "diff": "@@\n-x"}),
    ],
)
def test_patches_are_operations(arguments: str, operation: dict[str, str]) -> None:
    assert item_of(PATCH, arguments)["operation"] == operation


def test_search_without_object_is_a_query() -> None:
    assert item_of(SEARCH, "mail") == {"execution": "client", "arguments": {"query": "mail"}}


def test_cut_call_is_incomplete() -> None:
    events = restored(SHELL, ev.ToolCallStart(0, "c", "shell"), ev.Finish("length"))
    statuses = [event.wire["status"] for event in events if isinstance(event, ev.OpaqueOutput)]
    assert statuses == ["in_progress", "incomplete"]
    assert events[-1] == ev.Finish("length")


def test_signature_comes_before_item() -> None:
    signature = Signature("s", "gemini")
    start = ev.ToolCallStart(0, "c", "shell", signature=signature)
    first, *_ = restored(SHELL, start, ev.ToolCallEnd(0))
    assert first == ev.ThinkingSignature(signature)


def test_other_calls_stay() -> None:
    call = [ev.ToolCallStart(0, "c", "other"), ev.ToolCallDelta(0, "{}"), ev.ToolCallEnd(0)]
    assert restored(SHELL, *call) == call


def test_request_without_such_tools_stays() -> None:
    tools = [{"type": "function", "name": "f"}, {"type": "web_search"}, {"type": "mcp"}]
    assert as_functions(decode({"tools": tools})) is None


def test_name_of_a_function_is_not_taken_twice() -> None:
    function = {"type": "function", "name": "shell"}
    forms = as_functions(
        decode(
            {
                "tools": [function, SHELL],
                "tool_choice": {"type": "shell"},
                "input": [
                    {"type": "shell_call", "call_id": "c", "action": {"commands": ["ls"]}},
                    {"type": "shell_call_output", "call_id": "c", "output": "x"},
                ],
            }
        )
    )
    assert forms is not None
    assert [tool.name for tool in forms.request.tools if isinstance(tool, FunctionTool)] == [
        "shell",
        "shell_tool",
    ]
    assert forms.request.tool_choice == ToolChoice("required", ("shell_tool",))
    (call,), (result,) = (message.parts for message in forms.request.messages)
    assert call == ToolCall("c", "shell_tool", '{"commands":["ls"]}')
    assert result == ToolResult("c", (Text("x"),))


def test_output_names_item_of_call() -> None:
    # As the SDK's type of `local_shell_call_output` has it.
    action = {"type": "exec", "command": ["ls"]}
    forms = as_functions(
        decode(
            {
                "input": [
                    {"type": "local_shell_call", "id": "lsh", "call_id": "c", "action": action},
                    {"type": "local_shell_call_output", "id": "lsh", "output": "x"},
                ]
            }
        )
    )
    assert forms is not None
    assert forms.restorer is None
    (call,), (result,) = (message.parts for message in forms.request.messages)
    assert isinstance(call, ToolCall)
    assert isinstance(result, ToolResult)
    assert call.id == result.call_id == "c"


DEFERRED = {"type": "function", "name": "get_weather", "defer_loading": True}


def test_calls_of_deferred_functions_have_a_namespace() -> None:
    plain = {"type": "function", "name": "plain"}
    inside = {"type": "namespace", "name": "ns", "tools": [{**DEFERRED, "name": "inside"}]}
    tools = [{"type": "tool_search"}, DEFERRED, plain, inside]
    forms = as_functions(decode({"tools": tools}))
    assert forms is not None
    assert forms.restorer is not None
    for name, namespace in (("get_weather", "get_weather"), ("plain", None)):
        (out,) = forms.restorer.feed(ev.ToolCallStart(0, "c", name))
        assert out == ev.ToolCallStart(0, "c", name, namespace=namespace)
    start = ev.ToolCallStart(0, "c", "inside", namespace="ns")
    assert forms.restorer.feed(start) == (start,)


def test_calls_of_deferred_functions_are_of_the_function() -> None:
    call = {"type": "function_call", "call_id": "c", "name": "get_weather", "arguments": "{}"}
    output = {"type": "function_call_output", "call_id": "c", "output": "sunny"}
    body = {"tools": [{"type": "tool_search"}, DEFERRED]}
    for namespace in ({"namespace": "get_weather"}, {}):
        forms = as_functions(decode({**body, "input": [{**call, **namespace}, output]}))
        assert forms is not None
        (found,) = [
            part
            for message in forms.request.messages
            for part in message.parts
            if isinstance(part, ToolCall)
        ]
        assert found == ToolCall("c", "get_weather", "{}")
