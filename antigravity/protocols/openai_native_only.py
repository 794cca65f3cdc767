"""The client side of OpenAI's endpoints with native pass-through only.

Legacy completions, images, image edits, speech and transcriptions are passed through to upstreams
that have the same endpoint.  For other upstreams they are translated to another protocol.
"""

from __future__ import annotations

from functools import partial
from typing import Any, Final

import msgspec
from msgspec import Struct
from zope.interface import implementer

from antigravity.interfaces.protocols import (
    EncodedRequest,
    IClientProtocol,
    IStreamDecoder,
    ITap,
)
from antigravity.ir.capabilities import Target, Traits
from antigravity.ir.errors import GatewayError, InvalidRequestError, UpstreamError
from antigravity.ir.request import Request
from antigravity.ir.usage import Usage
from antigravity.protocols import lenient
from antigravity.protocols.client_protocol import ClientProtocol
from antigravity.protocols.embedded_errors import DecodeError, error_in_event
from antigravity.protocols.openai_native_decoder import NativeOnlyDecoder
from antigravity.sse import ServerSentEvent

_MALFORMED: Final = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
_ENDS: Final = (".completed", ".done")
_BEGINS: Final = (".delta", ".partial_image", ".segment")


class _Details(Struct, frozen=True):
    cached_tokens: int | None = None
    reasoning_tokens: int | None = None


class _Counts(Struct, frozen=True):
    input_tokens: int | None = None
    output_tokens: int | None = None
    input_tokens_details: _Details | None = None
    output_tokens_details: _Details | None = None


class _Counted(Struct, frozen=True):
    usage: _Counts | None = None


class _Typed(Struct, frozen=True):
    type: str = ""
    error: Any = None
    usage: Any = None


def usage_of(counts: _Counts) -> Usage | None:
    """Return the token counts, ``None`` if something else is counted, such as seconds."""
    if counts.input_tokens is None and counts.output_tokens is None:
        return None
    read, written = counts.input_tokens_details, counts.output_tokens_details
    return Usage(
        input_total=counts.input_tokens or 0,
        output=counts.output_tokens or 0,
        cached=(read.cached_tokens if read else None) or 0,
        reasoning=(written.reasoning_tokens if written else None) or 0,
    )


@implementer(ITap)
class EventTap:
    """Watches a stream of named events, such as ``….delta`` and at the end ``….done``."""

    def __init__(self, decode_error: DecodeError) -> None:
        self.usage: Usage | None = None
        self.finished = False
        self.meaningful = False
        self.failure: GatewayError | None = None
        self._decode_error = decode_error

    def watch(self, event: ServerSentEvent) -> None:
        """Examine one event."""
        if event.data == b"[DONE]":
            self.finished = True
            return
        name = event.event
        if name.endswith(_BEGINS):
            self.meaningful = True
            return
        try:
            typed = lenient.decode(event.data, _Typed)
        except _MALFORMED:
            self.failure = UpstreamError("The upstream sent an event that is not JSON.")
            return
        if not name or name in ("message", "error"):
            name = typed.type or name
            error = error_in_event(name, event.data, self._decode_error)
            if error is not None:
                self.finished, self.failure = True, error
                return
        if typed.error is not None:
            self.finished = True
            self.failure = self._decode_error(500, {}, event.data)
        elif name.endswith(_ENDS):
            self.meaningful = self.finished = True
            self.usage = _usage(typed.usage) or self.usage
        elif name.endswith(_BEGINS):
            self.meaningful = True


def _usage(counts: Any) -> Usage | None:
    try:
        return usage_of(msgspec.convert(counts, _Counts))
    except msgspec.ValidationError:
        return None


def native_only_client(
    name: str, client: IClientProtocol, *, same_responses: bool = False
) -> ClientProtocol:
    """Return the client of one endpoint with native pass-through only.

    :param client: the protocol that decodes errors and lists of the same upstream.
    :param same_responses: whether ``client`` also decodes the responses.
    """

    def decoder(request: Request, target: Target) -> IStreamDecoder:
        decoder: IStreamDecoder = NativeOnlyDecoder(client.decode_error)
        return decoder

    def encode(request: Request, target: Target) -> EncodedRequest:
        raise InvalidRequestError(
            f"{target.model} is served at its own endpoint ({name}), to which this request "
            "cannot be translated."
        )

    return ClientProtocol(
        name=name,
        traits=Traits(family="openai", native_only=True),
        encode=encode,
        decoder=client.decoder if same_responses else decoder,
        make_tap=client.tap if same_responses else partial(EventTap, client.decode_error),
        decode_usage=client.decode_usage if same_responses else _decode_usage,
        decode_models=client.decode_models,
        decode_error=client.decode_error,
    )


def _decode_usage(body: bytes) -> Usage | None:
    """Return the usage in a whole JSON response, if it has one."""
    try:
        counts = lenient.decode(body, _Counted).usage
    except _MALFORMED:
        return None
    return None if counts is None else usage_of(counts)
