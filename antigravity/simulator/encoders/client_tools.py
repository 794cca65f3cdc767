"""Encode calls of the Responses API's tools that the client runs and that have types; pure."""

from __future__ import annotations

from typing import Any, Final

from antigravity.simulator.encoders.events import Context
from antigravity.simulator.script import Call

#: The prefixes of the ids of calls, by type of the tool.
_PREFIXES: Final = {
    "apply_patch": "apc_",
    "shell": "sh_",
    "local_shell": "lsh_",
    "tool_search": "tsc_",
}
#: The types of these calls.
CALLS: Final = frozenset(f"{kind}_call" for kind in _PREFIXES)


def is_typed(call: Call, context: Context) -> bool:
    """Return whether a call is of such a tool, and not of a function with the same name."""
    if call.name not in _PREFIXES or call.custom or call.namespace:
        return False
    tools = [tool for tool in context.view.tools if tool.full_name == call.name]
    return bool(tools) and all(tool.schema is None and not tool.custom for tool in tools)


def encode_typed_call(call: Call, context: Context, index: int) -> dict[str, Any]:
    """Return the item of a call."""
    return {
        "id": context.id(_PREFIXES[call.name], index),
        "type": f"{call.name}_call",
        "status": "completed",
        "call_id": call.id,
        **_content(call.name, call.arguments),
    }


def _content(kind: str, arguments: dict[str, Any]) -> dict[str, Any]:
    match kind:
        case "apply_patch":
            return {"operation": arguments}
        case "shell":
            return {"action": {"timeout_ms": None, "max_output_length": None, **arguments}}
        case "local_shell":
            return {"action": {"type": "exec", "env": {}, **arguments}}
        case _:
            return {"execution": "client", "arguments": arguments}
