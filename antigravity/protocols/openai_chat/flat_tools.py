"""Recognises tools that are not in the form of chat completions.

There a definition is in a member named like the tool's type.  The Responses API and Anthropic have
its fields beside the type.  Cursor sends such tools to chat completions; see
:mod:`antigravity.protocols.openai_hybrid`.
"""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec
from msgspec import Raw, Struct

from antigravity.ir.call import Call
from antigravity.protocols.json_body import members_of

#: How lists of functions usually begin, and the white space between their members.
_USUAL: Final = re.compile(rb'\[\s*\{\s*"type":(\s*)"function",\s*"function":')


class _Tool(Struct):
    name: Any = None


_decode: Final = msgspec.json.Decoder(list[_Tool]).decode
_MALFORMED: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class _NamedTool(Struct):
    type: Any = None
    name: Any = None


def has_flat_tools(tools: Raw | None) -> bool:
    """Return whether a list of tools has one whose definition is beside its type."""
    if tools is None:
        return False
    data = bytes(tools)
    usual = _USUAL.match(data)
    # Cursor adds custom tools to functions in the usual form.
    if usual is not None and b'"type":%b"custom"' % usual[1] not in data:
        return False
    try:
        return any(each.name is not None for each in _decode(data))
    except _MALFORMED:
        return False


def is_flat_custom_tool(call: Call, name: str) -> bool:
    """Return whether a call declares a custom tool with its definition beside the type."""
    tools = members_of(call).get("tools")
    if tools is None:
        return False
    try:
        found = msgspec.json.decode(tools, type=list[_NamedTool])
    except _MALFORMED:
        return False
    return any(each.type == "custom" and each.name == name for each in found)
