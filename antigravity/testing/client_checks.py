"""Checks of the client side of a protocol."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from zope.interface.exceptions import Invalid
from zope.interface.verify import verifyObject

from antigravity.interfaces.protocols import EncodedRequest, IStreamDecoder, ITap
from antigravity.ir.capabilities import Target, Traits
from antigravity.ir.errors import (
    GatewayError,
    InvalidRequestError,
    RateLimitedError,
    UpstreamCredentialError,
)
from antigravity.ir.events import StreamFailure
from antigravity.ir.request import Request
from antigravity.ir.usage import Usage
from antigravity.lowering.pipeline import lower
from antigravity.sse import ServerSentEvent
from antigravity.testing.attempts import (
    INVALID_BODIES,
    Problems,
    UnexpectedError,
    attempt,
    format_body,
)
from antigravity.testing.samples import SAMPLES

_TARGET: Final = Target("a-model")


def check_client_protocol(protocol: Any) -> Problems:
    """Check the client side of a protocol."""
    yield from check_client_side(protocol)
    if not isinstance(protocol.traits, Traits):
        return
    first_encoded = None
    for what, request in SAMPLES:
        lowered = lower(request, protocol.traits, _TARGET).request
        encoded = attempt(protocol.encode, lowered, _TARGET)
        if isinstance(encoded, UnexpectedError):
            yield f"{encoded} at {what}"
        elif isinstance(encoded, EncodedRequest):
            first_encoded = first_encoded or lowered
            if type(encoded.body) is not bytes:
                yield f"encodes {what} as {_kind(encoded.body)}, not as bytes"
        elif not isinstance(encoded, InvalidRequestError):
            yield f"encodes {what} as {_kind(encoded)}, not as an EncodedRequest"
    if (
        first_encoded is not None
    ):  # protocols that support none, such as those for images, are not checked further
        yield from _check_decoder(protocol, first_encoded)
    yield from _check_tap(protocol)
    yield from _check_bodies(protocol)


def check_client_side(protocol: Any) -> Problems:
    """Check what all client protocols have in common."""
    if not isinstance(protocol.traits, Traits):
        yield f"has traits that are {_kind(protocol.traits)}, not Traits"
    refused = protocol.decode_error(401, {}, b"{}")
    if not isinstance(refused, UpstreamCredentialError):
        yield "does not decode a 401 as an UpstreamCredentialError"
    elif refused.upstream_status != 401:
        yield "does not set the upstream_status of an error"
    limited = protocol.decode_error(429, {"retry-after": "7"}, b"no JSON")
    if not isinstance(limited, RateLimitedError):
        yield "does not decode a 429 as a RateLimitedError"
    elif limited.retry_after != 7:
        yield "does not decode Retry-After"
    for body in (*INVALID_BODIES, b"<html>", b'{"error": "text"}', b'{"error": {"message": 1}}'):
        error = attempt(protocol.decode_error, 500, {}, body)
        if isinstance(error, UnexpectedError):
            yield f"{error} at the body of an error that is {format_body(body)}"
        elif not isinstance(error, GatewayError):
            text = format_body(body)
            yield f"returns {_kind(error)}, not a GatewayError, for a 500 that is {text}"
            return


def _check_decoder(protocol: Any, request: Request) -> Problems:
    first, second = (protocol.decoder(request, _TARGET) for _ in range(2))
    if first is second:
        yield "uses one decoder for two responses"
        return
    fault = _lacks(IStreamDecoder, first)
    if fault:
        yield f"its decoder: {fault}"
        return
    events = [*first.decode(ServerSentEvent("", b"{garbage")), *first.close()]
    failures = [event for event in events if isinstance(event, StreamFailure)]
    if len(failures) != 1 or events[-1] is not failures[0]:
        yield "does not end a malformed stream with one StreamFailure"
    if not any(isinstance(event, StreamFailure) for event in second.close()):
        yield "treats a response that ends at once as complete"
    for text in INVALID_BODIES:
        decoder = protocol.decoder(request, _TARGET)
        decoded = attempt(decoder.decode, ServerSentEvent("", text))
        if isinstance(decoded, UnexpectedError | GatewayError):
            problem = (
                decoded if isinstance(decoded, UnexpectedError) else f"raises {_kind(decoded)}"
            )
            yield f"its decoder {problem} at an event that is {format_body(text)}"
        elif not isinstance(decoded, Sequence):
            body = format_body(text)
            kind = _kind(decoded)
            yield f"its decoder returns {kind}, not a sequence, for an event that is {body}"


def _check_tap(protocol: Any) -> Problems:
    first, second = protocol.tap(), protocol.tap()
    fault = _lacks(ITap, first)
    if fault:
        yield f"its tap: {fault}"
    elif first is second:
        yield "uses one tap for two streams"
    elif not protocol.traits.streams:
        return  # there are no streams to watch
    elif first.finished or first.meaningful or first.failure is not None:
        yield "its tap reports something before the first event"
    else:
        watched = attempt(first.watch, ServerSentEvent("", b"{}"))
        if isinstance(watched, UnexpectedError | GatewayError):
            yield f"its tap fails at an event that is {{}}: {watched}"


def _check_bodies(protocol: Any) -> Problems:
    """Check the decoders of whole bodies with invalid bodies."""
    for text in INVALID_BODIES:
        usage = attempt(protocol.decode_usage, text)
        if usage is not None and not isinstance(usage, Usage):
            problem = (
                usage
                if isinstance(usage, UnexpectedError)
                else f"returns {_kind(usage)}, not a Usage"
            )
            yield f"{problem} in a response that is {format_body(text)}"
            break
    for reader, what in (("decode_models", "a list of models"), ("decode_count", "a count")):
        for text in INVALID_BODIES:
            found = attempt(getattr(protocol, reader), text)
            if isinstance(found, UnexpectedError):
                body = format_body(text)
                yield f"{found} at {what} that is {body}; {reader} raises an UpstreamError"
                break


def _kind(thing: object) -> str:
    return type(thing).__name__


def _lacks(interface: Any, thing: object) -> str:
    """Return what an object lacks of an interface, whether or not it declares it."""
    try:
        verifyObject(interface, thing, tentative=True)
    except Invalid as error:
        return " ".join(str(error).split())
    return ""
