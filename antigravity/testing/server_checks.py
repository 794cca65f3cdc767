"""Checks of the server side of a protocol."""

from __future__ import annotations

from itertools import count
from typing import Any, Final

from antigravity.ir.call import Call, HttpReply, ReplyContext, Route
from antigravity.ir.capabilities import Model
from antigravity.ir.errors import (
    AuthenticationError,
    GatewayError,
    InvalidRequestError,
    NotFoundError,
    OverloadedError,
    RateLimitedError,
    UpstreamError,
)
from antigravity.ir.events import Event, Finish, ResponseStart, StreamFailure, TextDelta
from antigravity.ir.parts import Text
from antigravity.ir.request import Message, Request
from antigravity.ir.response import Choice, Response
from antigravity.testing.attempts import (
    INVALID_BODIES,
    Problems,
    UnexpectedError,
    attempt,
    format_body,
)

_ERRORS: Final = (
    AuthenticationError,
    InvalidRequestError,
    NotFoundError,
    OverloadedError,
    RateLimitedError,
    UpstreamError,
)
_MESSAGE: Final = "The check failed on purpose."
_TEXT: Final = "Forty-two"
_START: Final = ResponseStart("an-id", "a-model")


def check_server_protocol(protocol: Any) -> Problems:
    """Check the server side of a protocol."""
    yield from check_server_side(protocol)
    if not isinstance(protocol.keepalive, bytes):
        yield "has a keepalive that is not bytes"
    for route in protocol.routes:
        if route.operation == "generate":
            yield from _check_encoder(protocol, route)
            yield from _check_whole(protocol, route)
        if route.operation in ("generate", "count_tokens"):
            yield from check_readers(protocol, route, "peek", "decode")
        elif route.operation == "list_models":
            models = (Model("a-model"),)
            yield from check_reply("encode_models", protocol.encode_models, models, _call(route))
        elif route.operation == "get_model":
            model = Model("a-model")
            yield from check_reply("encode_model", protocol.encode_model, model, _call(route))


def check_server_side(protocol: Any) -> Problems:
    """Check what all server protocols have in common."""
    if not protocol.routes:
        yield "has no routes, so it is not reachable"
    for route in protocol.routes:
        if not route.path.startswith("/"):
            yield f"has the route {route.path!r}, which does not begin with a slash"
    for kind in _ERRORS:
        reply: HttpReply = protocol.encode_error(kind(_MESSAGE), "req_check")
        if reply.status < 400:
            yield f"encodes {kind.__name__} with status {reply.status}"
        if _MESSAGE.encode() not in reply.body:
            yield f"does not contain the message of a {kind.__name__}"
    limited: HttpReply = protocol.encode_error(
        RateLimitedError(_MESSAGE, retry_after=7), "req_check"
    )
    if ("retry-after", "7") not in [(name.lower(), value) for name, value in limited.headers]:
        yield "does not set Retry-After"


def check_readers(protocol: Any, route: Route, *readers: str) -> Problems:
    """Check that readers accept invalid bodies, or raise ``InvalidRequestError``."""
    for reader in readers:
        for body in INVALID_BODIES:
            found = attempt(getattr(protocol, reader), _call(route, body))
            if isinstance(found, UnexpectedError):
                at = f"{reader} {found} at a body that is {format_body(body)}"
                yield f"{at}; report it as an InvalidRequestError"
                break


def check_reply(what: str, encode: Any, *arguments: object) -> Problems:
    """Check that an encoder returns a valid ``HttpReply``."""
    reply = attempt(encode, *arguments)
    if isinstance(reply, UnexpectedError):
        yield f"{what} {reply}"
    elif isinstance(reply, GatewayError):
        yield f"{what} raises a GatewayError"
    elif not isinstance(reply, HttpReply):
        yield f"{what} returns a {type(reply).__name__}, not an HttpReply"
    elif type(reply.body) is not bytes:
        yield f"{what} returns a body that is a {type(reply.body).__name__}, not bytes"


def _call(route: Route, body: bytes = b"{}") -> Call:
    return Call(route, {"model": "a-model"}, {}, {}, body)


def _context(protocol: Any, route: Route) -> ReplyContext:
    names = count()
    request = Request("a-model", (Message("user", (Text("Hello"),)),), protocol.name, stream=True)
    return ReplyContext(
        _call(route), request, "a-model", 0, lambda prefix: f"{prefix}{next(names)}"
    )


def _check_whole(protocol: Any, route: Route) -> Problems:
    if not protocol.traits.is_conversation:
        return  # its responses are not text
    response = Response("an-id", "a-model", (Choice((Text(_TEXT),)),))
    context = _context(protocol, route)
    yield from check_reply("encode_response", protocol.encode_response, response, context)
    reply = attempt(protocol.encode_response, response, context)
    if isinstance(reply, HttpReply) and _TEXT not in str(reply.body):
        yield "does not contain the text of a whole response"


def _check_encoder(protocol: Any, route: Route) -> Problems:
    where = f"its stream at {route.path}"

    def written(*events: Event, ends: bool = True) -> tuple[bytes, bool]:
        """Return a stream, and whether it continues after its end."""
        encoder = protocol.encoder(_context(protocol, route))
        out = b"".join([encoder.encode(event) for event in events])
        if ends:
            out += encoder.end()
        return out, bool(encoder.encode(TextDelta("more")) or encoder.end())

    demanding = not protocol.traits.is_conversation  # its responses are not text
    try:
        encoder = protocol.encoder(_context(protocol, route))
    except GatewayError:
        if demanding:
            return  # it reads the body again, and this one is empty
        raise
    if not isinstance(encoder.content_type, str) or "/" not in encoder.content_type:
        yield f"{where} has no content type"
    if not isinstance(encoder.keepalive(), bytes):
        yield f"{where} has a keepalive that is not bytes"
    whole, goes_on = written(_START, TextDelta(_TEXT), Finish("stop"))
    if not whole and not demanding:
        yield f"{where} is empty"
    if goes_on:
        yield f"{where} continues after its end"
    error = StreamFailure(UpstreamError(_MESSAGE))
    failed, goes_on = written(_START, TextDelta(_TEXT), error, ends=False)
    if goes_on:
        yield f"{where} continues after an error"
    if demanding or protocol.traits.can_respond_with_files:
        return  # its responses contain more than text
    if _TEXT.encode() not in whole:
        yield f"{where} does not contain the text"
    if _MESSAGE.encode() not in failed:
        yield f"{where} does not contain the message of an error"
    if written(_START, TextDelta(_TEXT))[0] == whole:
        yield f"{where} treats a response without a Finish as complete"
