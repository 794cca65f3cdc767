"""Requests of a server to its client: the capabilities that they need, and their results."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from antigravity.interfaces.mcp_values import ClientRequest, Json, McpError
from antigravity.mcp.protocol import messages

_ACTIONS: Final = ("accept", "decline", "cancel")


def capability(request: ClientRequest) -> dict[str, Any]:
    """Return the capability that a client needs for ``request``."""
    if request.method == "sampling/createMessage":
        return {"sampling": {"tools": {}} if "tools" in request.params else {}}
    if request.method == "roots/list":
        return {"roots": {}}
    return {"elicitation": {"url": {}} if request.params.get("mode") == "url" else {}}


def check_result(request: ClientRequest, answer: object) -> Json:
    """Return the result of a client's response to ``request``.

    :raises McpError: if it is not a valid result.
    """
    if not isinstance(answer, Mapping):
        raise McpError(
            messages.INVALID_PARAMS, f"The result of {request.method} must be an object."
        )
    if request.method == "elicitation/create" and answer.get("action") not in _ACTIONS:
        raise McpError(
            messages.INVALID_PARAMS, f"The result of {request.method} has no known action."
        )
    return answer
