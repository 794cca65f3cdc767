"""Chat completions whose body has the form of the Responses API, as Cursor sends them.

With another base URL for OpenAI's models, Cursor posts ``input``, flat tools and other fields of
the Responses API to ``/v1/chat/completions``, with ``stream_options`` of chat completions, and
expects a chat completion (https://forum.cursor.com/t/153019 and /159298).  It reads the text of a
custom tool from the arguments of a function, and sends it back like that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from antigravity.interfaces.server_traits import ServerTraits
from antigravity.ir.call import Call
from antigravity.ir.request import Request
from antigravity.protocols.json_body import load_object, members_of
from antigravity.protocols.server_protocol import ServerProtocol

JsonObject = dict[str, Any]

#: Fields that the Responses API does not have, or that cannot be served here.
_LEFT_OUT: Final = ("stream_options", "background", "reasoning_effort", "max_tokens")


def accept_responses_bodies(
    chat: ServerProtocol, responses: Callable[[], ServerProtocol]
) -> ServerProtocol:
    """Return the protocol of chat completions that also takes bodies of the Responses API.

    :param responses: returns the protocol that decodes these; called when there is one.
    """

    @cache
    def combined() -> ServerProtocol:
        other = responses()

        def decode(call: Call) -> Request:
            body = load_object(call.body)
            encoded = msgspec.json.encode(rewrite_body(body))
            request = other.decode(replace(call, body=encoded, memo={}))
            return replace(request, include_usage=not request.stream or _wants_usage(body))

        return replace(
            chat,
            name=other.name,
            decode=decode,
            traits=ServerTraits(
                decodes_outlines=True,
                conversation_hint=other.traits.conversation_hint,
                drops_reasoning=True,
            ),
        )

    def variant(call: Call) -> ServerProtocol | None:
        members = members_of(call)
        return None if "messages" in members or "input" not in members else combined()

    return replace(chat, traits=replace(chat.traits, variant=variant))


def rewrite_body(body: JsonObject) -> JsonObject:
    """Return a body with the items, tools and fields of the Responses API only."""
    rewritten = {name: value for name, value in body.items() if name not in _LEFT_OUT}
    effort = body.get("reasoning_effort")
    if effort is not None and not rewritten.get("reasoning"):
        rewritten["reasoning"] = {"effort": effort}
    limit = rewritten.pop("max_completion_tokens", None) or body.get("max_tokens")
    if limit is not None and rewritten.get("max_output_tokens") is None:
        rewritten["max_output_tokens"] = limit
    tools = body.get("tools")
    custom: set[str] = set()
    if isinstance(tools, list):
        rewritten["tools"] = tools = [_tool(each) for each in tools]
        custom = {_text(each.get("name")) for each in tools if _is_custom(each)}
    choice = body.get("tool_choice")
    if isinstance(choice, dict):
        rewritten["tool_choice"] = _tool(choice)
    items = body.get("input")
    if isinstance(items, list):
        flat = [item for each in items for item in _items(each)]
        rewritten["input"] = _with_custom_calls(flat, custom)
    return rewritten


def _wants_usage(body: JsonObject) -> bool:
    options = body.get("stream_options")
    return isinstance(options, dict) and bool(options.get("include_usage"))


def _text(value: Any) -> str:
    """Return a text, empty if it is something else, which the decoder refuses."""
    return value if isinstance(value, str) else ""


def _is_custom(tool: Any) -> bool:
    return isinstance(tool, dict) and tool.get("type") == "custom"


def _tool(tool: Any) -> Any:
    """Return a tool or tool choice with its definition beside its type."""
    if not isinstance(tool, dict):
        return tool
    if tool.get("type") is None and "input_schema" in tool:
        tool = {"type": "function", **tool}
    kind = tool.get("type")
    inner = tool.get(kind) if kind in ("function", "custom") else None
    if isinstance(inner, dict):
        tool = {"type": kind, **inner}
    if kind == "function" and "input_schema" in tool:
        tool = {"parameters": tool["input_schema"], **tool}
        del tool["input_schema"]
    return tool


def _items(item: Any) -> Iterator[Any]:
    """Yield the items for one item, which can be a message of chat completions."""
    if not isinstance(item, dict) or item.get("type") not in (None, "message"):
        yield item
        return
    if item.get("role") == "tool":
        output = item.get("content") or ""
        call_id = item.get("tool_call_id")
        yield {"type": "function_call_output", "call_id": call_id, "output": output}
        return
    calls = item.get("tool_calls")
    if not isinstance(calls, list):
        yield item
        return
    if item.get("content"):
        yield {name: value for name, value in item.items() if name != "tool_calls"}
    for call in calls:
        function = call.get("function") if isinstance(call, dict) else None
        if isinstance(function, dict):
            yield {"type": "function_call", "call_id": call.get("id"), **function}


def _with_custom_calls(items: list[Any], custom: set[str]) -> list[Any]:
    """Return the items with the calls of custom tools as such, and their outputs."""
    if not custom:
        return items
    found: list[Any] = []
    ids: set[str] = set()
    for item in items:
        kind = item.get("type") if isinstance(item, dict) else None
        if kind == "function_call" and _text(item.get("name")) in custom:
            ids.add(_text(item.get("call_id")))
            rest = {name: value for name, value in item.items() if name != "arguments"}
            item = {**rest, "type": "custom_tool_call", "input": item.get("arguments") or ""}
        elif kind == "function_call_output" and _text(item.get("call_id")) in ids:
            item = {**item, "type": "custom_tool_call_output"}
        found.append(item)
    return found
