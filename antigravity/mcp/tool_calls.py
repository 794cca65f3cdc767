"""What is recorded of one call of a tool: names and how it ended, no arguments and no results."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, Literal

from msgspec import Struct
from twisted.internet.defer import CancelledError
from twisted.python.failure import Failure

from antigravity.interfaces.mcp_values import McpError
from antigravity.mcp.protocol import messages

METHOD: Final = "tools/call"
#: The codes of errors that the client has made.
_OF_CLIENT: Final = frozenset(
    {
        messages.INVALID_REQUEST,
        messages.METHOD_NOT_FOUND,
        messages.INVALID_PARAMS,
        messages.HEADER_MISMATCH,
        messages.MISSING_CAPABILITY,
    }
)


class ToolCall(Struct):
    """One call of a tool; updated when the tool is found.

    ``requested`` is the name that the client used, ``tool`` the full one.  ``server`` is the name
    of the other server that has the tool, if it is not the gateway's own.  ``client`` has name and
    version of the client, as it reports them.
    """

    requested: str
    principal: str = ""
    client: str = ""
    request_id: str = ""
    tool: str = ""
    server: str = ""


class ToolCallEnd(Struct, frozen=True):
    """How a call ended; ``error`` is ``KIND: MESSAGE``."""

    outcome: Literal["ok", "error", "cancelled"] = "ok"
    status: int | None = 200
    error: str | None = None


#: Notes that a call begins; the function that it returns is called once, with how the call ended.
Observe = Callable[[ToolCall], Callable[[ToolCallEnd], None]]


def ignore_end(end: ToolCallEnd) -> None:
    """Note nothing."""


def ignore(call: ToolCall) -> Callable[[ToolCallEnd], None]:
    """Observe nothing."""
    return ignore_end


def requested_tool(params: Mapping[str, Any]) -> str:
    """Return the name of the tool in the parameters of a call; empty if they have none."""
    name = params.get("name")
    return name if isinstance(name, str) else ""


def client_of(info: Mapping[str, Any]) -> str:
    """Return name and version of a client, such as ``claude-code/2.1``."""
    name, version = info.get("name"), info.get("version")
    found = [each for each in (name, version) if isinstance(each, str) and each]
    return "/".join(each[:100] for each in found)


def end_of(value: Any, reason: str, *, asks_client: bool = False) -> ToolCallEnd:
    """Return how a call ended.

    :param value: its result, or the failure.
    :param reason: why the gateway has ended it, empty if it has not.
    :param asks_client: whether it ended because the client is asked something, and repeats it then.
    """
    if not isinstance(value, Failure):
        if isinstance(value, Mapping) and value.get("isError") is True:
            if reason:
                return ToolCallEnd("error", 504, f"DeadlineError: {reason}")
            return ToolCallEnd("error", 200, "ToolError: The tool has reported an error.")
        return ToolCallEnd()
    error = value.value
    if isinstance(error, McpError):
        status = 400 if error.code in _OF_CLIENT else 500
        return ToolCallEnd("error", status, f"McpError: {error.message}")
    if not isinstance(error, CancelledError):
        return ToolCallEnd("error", 500, f"{type(error).__name__}: The call failed.")
    if asks_client:
        return ToolCallEnd()
    if reason:
        return ToolCallEnd("error", 503, f"UnavailableError: {reason}")
    return ToolCallEnd("cancelled", None, "CancelledByClientError: The client cancelled the call.")
