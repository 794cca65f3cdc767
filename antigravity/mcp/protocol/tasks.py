"""Tasks on the wire: of the extension for 2026-07-28, and of revision 2025-11-25.

.. list-table::
   :header-rows: 1

   * - Subject
     - extension ``io.modelcontextprotocol/tasks``
     - 2025-11-25
   * - Who decides that a call becomes a task
     - the server, for clients that declare the extension
     - the client, with the parameter ``task``
   * - Response to the call
     - the task itself, with ``resultType: "task"``
     - ``{"task": ...}``
   * - Times
     - ``ttlMs``, ``pollIntervalMs``
     - ``ttl``, ``pollInterval``
   * - Result, error and requests for input
     - members of ``tasks/get``
     - ``tasks/result``, which waits, and requests on its stream
   * - A tool's result with ``isError``
     - ``completed``
     - ``failed``
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final, Literal

import msgspec
from msgspec import Struct

from antigravity.interfaces.mcp_values import ClientRequest, Json, McpError

Status = Literal["working", "input_required", "completed", "failed", "cancelled"]
#: The beginning of a result in 2026-07-28.
_COMPLETE: Final = b'{"resultType":"complete"'
#: The states that are never left.
TERMINAL: Final = ("completed", "failed", "cancelled")
#: Bounds of what other servers send: a task's id, its message, and its times in milliseconds.
_LONGEST_ID: Final = 1024
_LONGEST_MESSAGE: Final = 1000
_LONGEST_TIME: Final = 10**15
#: The key in ``_meta`` of messages that concern a task, in 2025-11-25.
RELATED: Final = "io.modelcontextprotocol/related-task"


class TaskState(Struct, frozen=True):
    """What is known about a task at one time.

    ``created`` and ``updated`` are Unix times, ``ttl`` and ``poll_interval`` seconds.  ``result``
    is the result as JSON, ``failure`` the error of a failed task, ``inputs`` the requests to the
    client that have no response.
    """

    id: str
    status: Status
    created: float
    updated: float
    ttl: float
    poll_interval: float
    message: str = ""
    result: bytes = b""
    is_error: bool = False
    failure: McpError | None = None
    inputs: Mapping[str, ClientRequest] = {}


def encode_task(state: TaskState) -> dict[str, Any]:
    """Return a task of the extension without result, error and requests for input."""
    out = _common(state, state.status)
    out["ttlMs"] = round(state.ttl * 1000)
    out["pollIntervalMs"] = round(state.poll_interval * 1000)
    return out


def encode_details(state: TaskState) -> dict[str, Any]:
    """Return a whole task of the extension, for ``tasks/get`` and ``notifications/tasks``."""
    out = encode_task(state)
    if state.status == "completed":
        rest = state.result[1:]
        out["result"] = msgspec.Raw(_COMPLETE + (b"," if rest != b"}" else b"") + rest)
    elif state.failure is not None:
        out["error"] = _error(state.failure)
    elif state.inputs:
        out["inputRequests"] = {
            key: {"method": one.method, "params": one.params} for key, one in state.inputs.items()
        }
    return out


def encode_session_task(state: TaskState) -> dict[str, Any]:
    """Return a task of revision 2025-11-25."""
    out = _common(state, "failed" if state.is_error else state.status)
    out["ttl"] = round(state.ttl * 1000)
    out["pollInterval"] = round(state.poll_interval * 1000)
    return out


def session_result(state: TaskState) -> dict[str, Any]:
    """Return the result of a completed task for ``tasks/result``."""
    result: dict[str, Any] = msgspec.json.decode(state.result)
    return {**result, "_meta": {**(result.get("_meta") or {}), **related(state.id)}}


def related(id: str) -> dict[str, Any]:  # noqa: A002
    """Return the ``_meta`` of a message that concerns the task ``id``, in 2025-11-25."""
    return {RELATED: {"taskId": id}}


def _common(state: TaskState, status: str) -> dict[str, Any]:
    out: dict[str, Any] = {"taskId": state.id, "status": status}
    if state.message:
        out["statusMessage"] = state.message
    out["createdAt"] = _time(state.created)
    out["lastUpdatedAt"] = _time(state.updated)
    return out


def _time(seconds: float) -> str:
    moment = datetime.fromtimestamp(seconds, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _error(error: McpError) -> dict[str, Any]:
    out: dict[str, Any] = {"code": error.code, "message": error.message}
    if error.data is not None:
        out["data"] = error.data
    return out


class RemoteTask(Struct, frozen=True):
    """A task as another server reports it, in either form.

    ``ttl`` (``None``: endless) and ``poll_interval`` are seconds.  ``result`` and ``failure`` are
    there if the server sent them along, as the extension requires.
    """

    id: str
    status: Status
    message: str = ""
    ttl: float | None = None
    poll_interval: float | None = None
    result: Json | None = None
    failure: Json | None = None
    inputs: Json = {}


def parse_task(entry: object) -> RemoteTask:
    """Return the task in another server's message.

    :raises ValueError: if it is not a task.
    """
    if not isinstance(entry, Mapping):
        raise ValueError("it is not an object")
    id, status = entry.get("taskId"), entry.get("status")  # noqa: A001
    if not isinstance(id, str) or not id or len(id) > _LONGEST_ID:
        raise ValueError("it has no usable taskId")
    if status not in ("working", "input_required", *TERMINAL):
        raise ValueError("its status is unknown")
    message, result, failure = (entry.get(key) for key in ("statusMessage", "result", "error"))
    inputs = entry.get("inputRequests")
    return RemoteTask(
        id,
        status,
        message[:_LONGEST_MESSAGE] if isinstance(message, str) else "",
        _seconds(entry, "ttlMs", "ttl"),
        _seconds(entry, "pollIntervalMs", "pollInterval"),
        result if isinstance(result, Mapping) else None,
        failure if isinstance(failure, Mapping) else None,
        inputs if isinstance(inputs, Mapping) else {},
    )


def _seconds(entry: Json, *keys: str) -> float | None:
    for key in keys:
        value = entry.get(key)
        if isinstance(value, (int, float)) and not isinstance(value, bool) and value > 0:
            return min(value, _LONGEST_TIME) / 1000
    return None
