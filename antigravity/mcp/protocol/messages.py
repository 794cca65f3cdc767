"""JSON-RPC 2.0 as MCP uses it: parse and encode messages."""

from __future__ import annotations

from codecs import BOM_UTF8
from collections.abc import Mapping
from typing import Any, Final

import msgspec
from msgspec import Struct

from antigravity.interfaces.mcp_values import McpError

PARSE_ERROR: Final = -32700
INVALID_REQUEST: Final = -32600
METHOD_NOT_FOUND: Final = -32601
INVALID_PARAMS: Final = -32602
INTERNAL_ERROR: Final = -32603
#: Up to revision 2025-11-25; later revisions use INVALID_PARAMS.
RESOURCE_NOT_FOUND: Final = -32002
HEADER_MISMATCH: Final = -32020
MISSING_CAPABILITY: Final = -32021
UNSUPPORTED_VERSION: Final = -32022

_MOST_IN_A_BATCH: Final = 100
_LONGEST_ID: Final = 256
_ABSENT: Final = object()

RequestId = str | int


class Request(Struct, frozen=True):
    """A message that needs a response."""

    id: RequestId
    method: str
    params: Mapping[str, Any]


class Notification(Struct, frozen=True):
    """A message that gets no response."""

    method: str
    params: Mapping[str, Any]


class Response(Struct, frozen=True):
    """The response to a request: a ``result`` or an ``error``."""

    id: RequestId
    result: Mapping[str, Any] | None = None
    error: McpError | None = None


Message = Request | Notification | Response


class Parsed(Struct, frozen=True):
    """The messages in one body, and whether they came as a batch."""

    messages: tuple[Message, ...]
    is_batch: bool


class MalformedMessageError(McpError):
    """A malformed message; ``id`` is its id, if that could be read."""

    def __init__(self, code: int, message: str, id: RequestId | None = None) -> None:  # noqa: A002
        super().__init__(code, message)
        self.id = id


def parse(body: bytes) -> Parsed:
    """Return the messages in ``body``.

    :raises MalformedMessageError: if it is not a message or a batch of messages.
    """
    try:
        data = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise MalformedMessageError(PARSE_ERROR, "The body is not valid JSON.") from None
    if not isinstance(data, list):
        return Parsed((_message(data),), False)
    if not 0 < len(data) <= _MOST_IN_A_BATCH:
        raise MalformedMessageError(
            INVALID_REQUEST, f"A batch must hold 1 to {_MOST_IN_A_BATCH} messages."
        )
    return Parsed(tuple(map(_message, data)), True)


def parse_responses(body: bytes, about: RequestId | None = None) -> tuple[Message, ...]:
    """Return the messages of a server, which may deviate from the specification.

    ``jsonrpc`` may be missing, members may be null, and the gateway's integer ids may come back
    as strings or floating point numbers.  An empty error such as ``{"code": 0}`` is ignored
    beside a result.  A message with an id but no valid result is a response with an error, so
    that its caller does not wait forever.  A response without an id belongs to the request
    ``about``, if that is given.

    :raises MalformedMessageError: if it holds no message.
    """
    try:
        data = msgspec.json.decode(body.removeprefix(BOM_UTF8))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise MalformedMessageError(PARSE_ERROR, "The body is not valid JSON.") from None
    found: list[Message] = []
    for one in data if isinstance(data, list) else [data]:
        if isinstance(one, dict):
            message = _lenient(one, about)
            if message is not None:
                found.append(message)
    if not found:
        raise MalformedMessageError(INVALID_REQUEST, "The body contains no message.")
    return tuple(found)


def _lenient(data: dict[str, Any], about: RequestId | None) -> Message | None:
    if isinstance(data.get("method"), str):
        if data.get("id") is None:
            data = {key: value for key, value in data.items() if key != "id"}
        if data.get("params") is None:
            data = {key: value for key, value in data.items() if key != "params"}
        try:
            return _call(data)
        except MalformedMessageError:
            return None
    if data.get("id") is None and not data.keys() & {"result", "error"}:
        return None
    id = _own_id(data.get("id"), about)  # noqa: A001
    if id is None:
        return None
    result, failure = data.get("result", _ABSENT), data.get("error")
    if failure is not None and not (isinstance(result, dict) and _is_empty_error(failure)):
        return Response(id, error=_error(failure))
    if isinstance(result, dict) or result is None:
        return Response(id, result or {})
    what = "no result" if result is _ABSENT else "a result that is not an object"
    return Response(id, error=McpError(INTERNAL_ERROR, f"The server sent {what}."))


def _is_empty_error(failure: Any) -> bool:
    """Return whether an error is an empty value such as ``{"code": 0}``."""
    if not isinstance(failure, dict):
        return not failure
    return not any(failure.values())


def _own_id(found: Any, about: RequestId | None) -> RequestId | None:
    """Return an id in the form in which the gateway sent it."""
    if isinstance(found, str) and found.isascii() and found.strip().isdigit() and len(found) < 20:
        return int(found)
    if isinstance(found, float) and found.is_integer():
        return int(found)
    return about if found is None else _id_of({"id": found})


def _message(data: Any) -> Message:
    if not isinstance(data, dict) or data.get("jsonrpc") != "2.0":
        raise MalformedMessageError(
            INVALID_REQUEST, 'A message must be a JSON object with "jsonrpc": "2.0".', _id_of(data)
        )
    if "method" in data:
        return _call(data)
    found = _id_of(data)
    failed = data.get("error") is not None
    if found is None or ("result" in data and failed) or not data.keys() & {"result", "error"}:
        raise MalformedMessageError(
            INVALID_REQUEST, "The message is not a request, notification or response.", found
        )
    if failed or "result" not in data:
        return Response(found, error=_error(data["error"]))
    result = {} if data["result"] is None else data["result"]
    if not isinstance(result, dict):
        raise MalformedMessageError(INVALID_REQUEST, "A result must be a JSON object.", found)
    return Response(found, result)


def _call(data: dict[str, Any]) -> Message:
    method, params = data["method"], data.get("params", {})
    found = _id_of(data)
    if not isinstance(method, str):
        raise MalformedMessageError(INVALID_REQUEST, "A method must be a string.", found)
    if "id" in data and found is None:
        raise MalformedMessageError(
            INVALID_REQUEST,
            f"An id must be an integer or a string of up to {_LONGEST_ID} characters.",
        )
    if not isinstance(params, dict):
        raise MalformedMessageError(INVALID_PARAMS, "Parameters must be a JSON object.", found)
    return Notification(method, params) if found is None else Request(found, method, params)


def _id_of(data: Any) -> RequestId | None:
    found = data.get("id") if isinstance(data, dict) else None
    if isinstance(found, bool) or not isinstance(found, (str, int)):
        return None
    return None if isinstance(found, str) and len(found) > _LONGEST_ID else found


def _error(data: Any) -> McpError:
    if isinstance(data, str) and data:
        return McpError(INTERNAL_ERROR, data)
    if not isinstance(data, dict):
        return McpError(INTERNAL_ERROR, "The other side reported a malformed error.")
    code, message = data.get("code"), data.get("message")
    return McpError(
        code if isinstance(code, int) else INTERNAL_ERROR,
        message if isinstance(message, str) and message else "The other side reported an error.",
        data.get("data"),
    )


def result(id: RequestId, value: Mapping[str, Any]) -> bytes:  # noqa: A002
    """Return the response to a request."""
    return msgspec.json.encode({"jsonrpc": "2.0", "id": id, "result": value})


def error(id: RequestId | None, failure: McpError) -> bytes:  # noqa: A002
    """Return an error response; ``id`` is ``None`` if the request's id is unknown."""
    found: dict[str, Any] = {"code": failure.code, "message": failure.message}
    if failure.data is not None:
        found["data"] = failure.data
    return msgspec.json.encode({"jsonrpc": "2.0", "id": id, "error": found})


def request(id: RequestId, method: str, params: Mapping[str, Any]) -> bytes:  # noqa: A002
    """Return a request."""
    return msgspec.json.encode({"jsonrpc": "2.0", "id": id, "method": method, "params": params})


def notification(method: str, params: Mapping[str, Any] | None = None) -> bytes:
    """Return a notification."""
    found: dict[str, Any] = {"jsonrpc": "2.0", "method": method}
    if params:
        found["params"] = params
    return msgspec.json.encode(found)
