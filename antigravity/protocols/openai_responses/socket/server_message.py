"""Encodes messages for clients: events with their lane, and errors with their status."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal

import msgspec
from msgspec import Raw, Struct

from antigravity.ir.errors import GatewayError
from antigravity.protocols.openai_responses.socket.error_message import NO_DETAIL, read_error
from antigravity.protocols.openai_shapes import error_object

SteerError = Literal[
    "steering_not_supported", "successor_creation_failed", "too_many_pending_steers"
]

_ENCODE: Final = msgspec.json.encode
#: Why input for a running response is refused: codes with messages.
_STEER_ERRORS: Final[Mapping[SteerError, str]] = {
    "steering_not_supported": "Input cannot be added to a running response here",
    "successor_creation_failed": "The upstream did not use the input",
    "too_many_pending_steers": "Too much input was added to this response",
}
#: The member of a response whose request was expanded.
_NO_PREVIOUS: Final = re.compile(rb'"previous_response_id"\s*:\s*null')


class _ErrorBody(Struct):
    error: Any = None
    message: Any = None
    detail: Any = None


def with_lane(event: bytes, lane: str | None) -> bytes:
    """Return an event, a JSON object, with the name of its lane."""
    if lane is None:
        return event
    opening = event[:-1].rstrip()
    comma = b"" if opening == b"{" else b","
    return b'%b%b"stream_id":%b}' % (opening, comma, _ENCODE(lane))


def with_previous_id(event: bytes, previous_id: str) -> bytes:
    """Return an event about a response with the id of the response that it continues."""
    member = b'"previous_response_id":%b' % _ENCODE(previous_id)
    return _NO_PREVIOUS.sub(lambda _: member, event, count=1)


def encode_error(
    error: Mapping[str, Any],
    status: int,
    headers: Sequence[tuple[str, str]] = (),
    sequence_number: int | None = None,
) -> bytes:
    """Return the message about a failed request.

    ``error`` has at least a message.  Clients read the headers beside it, or inside of it.
    """
    kind = error.get("type") or ("invalid_request_error" if status < 500 else "server_error")
    fields: dict[str, Any] = {"code": error.get("code") or kind, "param": None, "type": kind}
    fields = {**error, **{name: error.get(name) or value for name, value in fields.items()}}
    body: dict[str, Any] = {"type": "error", "status": status, "error": fields}
    if sequence_number is not None:
        body["sequence_number"] = sequence_number
    if headers:
        fields["headers"] = body["headers"] = {name.lower(): value for name, value in headers}
    return _ENCODE(body)


def encode_gateway_error(error: GatewayError) -> bytes:
    """Return the message about an error of the gateway."""
    headers: Sequence[tuple[str, str]] = ()
    if error.retry_after is not None:
        headers = (("retry-after", str(max(1, round(error.retry_after)))),)
    return encode_error(error_object(error), error.status, headers)


def error_of_reply(body: bytes) -> dict[str, Any]:
    """Return the error in the body of a reply, whatever form it has."""
    try:
        found = msgspec.json.decode(body, type=_ErrorBody)
    except (msgspec.DecodeError, RecursionError):
        return {"message": NO_DETAIL}
    if isinstance(found.error, dict):
        return {"message": NO_DETAIL, **found.error}
    text = next((each for each in (found.error, found.message, found.detail) if each), None)
    return {"message": text if isinstance(text, str) else NO_DETAIL}


def encode_stream_error(event: bytes) -> bytes:
    """Return the message for the event ``error`` of a stream."""
    found = read_error(event)
    return encode_error(found.error, found.status, found.headers, found.sequence_number)


def keepalive(sequence_number: int) -> bytes:
    """Return an event without meaning; api.openai.com sends the same in long streams.

    It repeats the number of the last event, so that the numbers of the response have no gap.
    """
    return b'{"type":"keepalive","sequence_number":%d}' % sequence_number


def steer(given: Raw, previous_id: str) -> bytes:
    """Return the message with input for a response that is running, for its upstream."""
    message = {"type": "response.steer", "previous_response_id": previous_id, "input": given}
    return _ENCODE(message)


def steer_failed(
    given: Raw, previous_id: str, code: SteerError = "steering_not_supported"
) -> bytes:
    """Return the refusal of input for a response that is running."""
    error = {
        "code": code,
        "message": f"{_STEER_ERRORS[code]}; send it in the next request.",
        "type": "invalid_request_error",
    }
    return _ENCODE(
        {
            "type": "response.steer.failed",
            "sequence_number": 0,
            "error": error,
            "steer": {"input": given, "previous_response_id": previous_id},
        }
    )
