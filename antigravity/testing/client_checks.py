"""What is checked of the client side of a protocol."""

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
    said = None
    for what, request in SAMPLES:
        lowered = lower(request, protocol.traits, _TARGET).request
        encoded = attempt(protocol.encode, lowered, _TARGET)
        if isinstance(encoded, UnexpectedError):
            yield f"{encoded} at {what}"
        elif isinstance(encoded, EncodedRequest):
            said = said or lowered
            if type(encoded.body) is not bytes:
                yield f"encodes {what} as {_kind(encoded.body)}, not as bytes"
        elif not isinstance(encoded, InvalidRequestError):
            yield f"encodes {what} as {_kind(encoded)}, not as an EncodedRequest"
    if said is not None:  # what can say none of it, images only for instance, is left alone
        yield from _check_decoder(protocol, said)
    yield from _check_tap(protocol)
    yield from _check_bodies(protocol)


def check_client_side(protocol: Any) -> Problems:
    """Check what clients of all kinds have."""
    if not isinstance(protocol.traits, Traits):
        yield f"has traits that are {_kind(protocol.traits)}, not Traits"
    refused = protocol.decode_error(401, {}, b"{}")
    if not isinstance(refused, UpstreamCredentialError):
        yield "takes a 401 of an upstream for something else than trouble with its credential"
    elif refused.upstream_status != 401:
        yield "does not keep the upstream_status of an error"
    limited = protocol.decode_error(429, {"retry-after": "7"}, b"no JSON")
    if not isinstance(limited, RateLimitedError):
        yield "does not take a 429 for a limit"
    elif limited.retry_after != 7:
        yield "does not read Retry-After"
    for body in (*INVALID_BODIES, b"<html>", b'{"error": "text"}', b'{"error": {"message": 1}}'):
        error = attempt(protocol.decode_error, 500, {}, body)
        if isinstance(error, UnexpectedError):
            yield f"{error} at the body of an error that is {format_body(body)}"
        elif not isinstance(error, GatewayError):
            yield f"makes {_kind(error)}, not a GatewayError, of a 500 that is {format_body(body)}"
            return


def _check_decoder(protocol: Any, request: Request) -> Problems:
    first, second = (protocol.decoder(request, _TARGET) for _ in range(2))
    if first is second:
        yield "gives two answers one decoder"
        return
    fault = _lacks(IStreamDecoder, first)
    if fault:
        yield f"its decoder: {fault}"
        return
    events = [*first.decode(ServerSentEvent("", b"{garbage")), *first.close()]
    failures = [event for event in events if isinstance(event, StreamFailure)]
    if len(failures) != 1 or events[-1] is not failures[0]:
        yield "does not end with one StreamFailure what makes no sense"
    if not any(isinstance(event, StreamFailure) for event in second.close()):
        yield "passes off an answer that breaks off at once as complete"
    for text in INVALID_BODIES:
        decoder = protocol.decoder(request, _TARGET)
        decoded = attempt(decoder.decode, ServerSentEvent("", text))
        if isinstance(decoded, UnexpectedError | GatewayError):
            said = decoded if isinstance(decoded, UnexpectedError) else f"raises {_kind(decoded)}"
            yield f"its decoder {said} at an event that is {format_body(text)}"
        elif not isinstance(decoded, Sequence):
            body = format_body(text)
            yield f"its decoder makes {_kind(decoded)}, no sequence, of an event: {body}"


def _check_tap(protocol: Any) -> Problems:
    first, second = protocol.tap(), protocol.tap()
    fault = _lacks(ITap, first)
    if fault:
        yield f"its tap: {fault}"
    elif first is second:
        yield "gives two streams one tap"
    elif not protocol.traits.streams:
        return  # there are no streams to watch
    elif first.finished or first.meaningful or first.failure is not None:
        yield "its tap has seen something before there was anything to see"
    else:
        watched = attempt(first.watch, ServerSentEvent("", b"{}"))
        if isinstance(watched, UnexpectedError | GatewayError):
            yield f"its tap fails at an event that is {{}}: {watched}"


def _check_bodies(protocol: Any) -> Problems:
    """Check the readers of whole bodies against bodies that are none."""
    for text in INVALID_BODIES:
        usage = attempt(protocol.decode_usage, text)
        if usage is not None and not isinstance(usage, Usage):
            said = (
                usage if isinstance(usage, UnexpectedError) else f"finds {_kind(usage)}, no Usage"
            )
            yield f"{said} in an answer that is {format_body(text)}"
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
    """Return what a thing lacks of an interface; it need not say that it provides it."""
    try:
        verifyObject(interface, thing, tentative=True)
    except Invalid as error:
        return " ".join(str(error).split())
    return ""
