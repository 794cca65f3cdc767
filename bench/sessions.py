"""Requests of coding agents with many turns and tools, in the client protocols."""

from __future__ import annotations

import json
from typing import Any

_SYSTEM = "You are a coding agent. " * 200
_RESULT = "def function(argument):\n    return 'ä value' + str(argument)\n" * 30
_TOOLS = ("read_file", "write_file", "run_command", "search", "list_files", "ask_user")


def _schema() -> dict[str, Any]:
    properties = {
        "path": {"type": "string", "description": "The absolute path of the file."},
        "lines": {"type": "array", "items": {"type": "integer", "minimum": 0}},
        "options": {
            "type": "object",
            "properties": {"follow": {"type": "boolean"}, "depth": {"type": ["integer", "null"]}},
            "additionalProperties": False,
        },
    }
    return {"type": "object", "properties": properties, "required": ["path"]}


def agent_session(protocol: str, turns: int) -> dict[str, Any]:
    """Return the body of a request with ``turns`` tool calls and their results before it."""
    return _SESSIONS[protocol](turns)


def _arguments(number: int) -> dict[str, Any]:
    return {"path": f"/src/module_{number}.py", "lines": [number, number + 20]}


def _anthropic(turns: int) -> dict[str, Any]:
    messages: list[dict[str, Any]] = [{"role": "user", "content": "Fix the bug."}]
    for number in range(turns):
        name = _TOOLS[number % len(_TOOLS)]
        use = {
            "type": "tool_use",
            "id": f"toolu_{number}",
            "name": name,
            "input": _arguments(number),
        }
        text = {"type": "text", "text": f"I look at module {number} next."}
        messages.append({"role": "assistant", "content": [text, use]})
        result = {"type": "tool_result", "tool_use_id": f"toolu_{number}", "content": _RESULT}
        messages.append({"role": "user", "content": [result]})
    tools = [{"name": name, "description": name, "input_schema": _schema()} for name in _TOOLS]
    system = [{"type": "text", "text": _SYSTEM, "cache_control": {"type": "ephemeral"}}]
    head = {"model": "m", "max_tokens": 4096, "stream": True, "system": system}
    return head | {"tools": tools, "messages": messages}


def _openai(turns: int) -> dict[str, Any]:
    messages: list[dict[str, Any]] = [
        {"role": "system", "content": _SYSTEM},
        {"role": "user", "content": "Fix the bug."},
    ]
    for number in range(turns):
        function = {
            "name": _TOOLS[number % len(_TOOLS)],
            "arguments": json.dumps(_arguments(number)),
        }
        call = {"id": f"call_{number}", "type": "function", "function": function}
        text = f"I look at module {number} next."
        messages.append({"role": "assistant", "content": text, "tool_calls": [call]})
        messages.append({"role": "tool", "tool_call_id": f"call_{number}", "content": _RESULT})
    tools = [
        {
            "type": "function",
            "function": {"name": name, "description": name, "parameters": _schema()},
        }
        for name in _TOOLS
    ]
    return {"model": "m", "stream": True, "tools": tools, "messages": messages}


def _responses(turns: int) -> dict[str, Any]:
    items: list[dict[str, Any]] = [{"role": "user", "content": "Fix the bug."}]
    for number in range(turns):
        text = [{"type": "output_text", "text": f"I look at module {number} next."}]
        items.append({"type": "message", "role": "assistant", "content": text})
        call = {"type": "function_call", "call_id": f"call_{number}"}
        name, arguments = _TOOLS[number % len(_TOOLS)], json.dumps(_arguments(number))
        items.append(call | {"name": name, "arguments": arguments})
        output = {"type": "function_call_output", "call_id": f"call_{number}", "output": _RESULT}
        items.append(output)
    tools = [
        {"type": "function", "name": name, "description": name, "parameters": _schema()}
        for name in _TOOLS
    ]
    return {"model": "m", "stream": True, "instructions": _SYSTEM, "tools": tools, "input": items}


def _gemini(turns: int) -> dict[str, Any]:
    contents: list[dict[str, Any]] = [{"role": "user", "parts": [{"text": "Fix the bug."}]}]
    for number in range(turns):
        name = _TOOLS[number % len(_TOOLS)]
        text = {"text": f"I look at module {number} next."}
        call = {"functionCall": {"name": name, "args": _arguments(number)}}
        contents.append({"role": "model", "parts": [text, call]})
        result = {"functionResponse": {"name": name, "response": {"output": _RESULT}}}
        contents.append({"role": "user", "parts": [result]})
    declarations = [
        {"name": name, "description": name, "parametersJsonSchema": _schema()} for name in _TOOLS
    ]
    return {
        "systemInstruction": {"parts": [{"text": _SYSTEM}]},
        "tools": [{"functionDeclarations": declarations}],
        "contents": contents,
    }


_SESSIONS = {
    "anthropic": _anthropic,
    "openai": _openai,
    "responses": _responses,
    "gemini": _gemini,
}
