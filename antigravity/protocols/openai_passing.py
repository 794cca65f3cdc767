"""The client side of OpenAI's endpoints that are passed on and never translated to.

That is what legacy completions, images, image edits, speech and transcriptions have in common: an
upstream either has the very endpoint, or is asked in another protocol.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
from msgspec import Struct
from zope.interface import implementer

from antigravity.interfaces.protocols import (
    Encoded,
    IClientProtocol,
    IStreamDecoder,
    ITap,
)
from antigravity.ir.capabilities import Model, Target, Traits
from antigravity.ir.errors import GatewayError, InvalidRequestError, UpstreamError
from antigravity.ir.request import Request
from antigravity.ir.usage import Usage
from antigravity.protocols import lenient
from antigravity.protocols.embedded_errors import error_in_event
from antigravity.protocols.openai_passed_answers import PassedAnswerDecoder
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
    """Return the counts of tokens, ``None`` where something else is counted (seconds, say)."""
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
    """Watches a stream of named events: ``….delta`` and the like, then ``….done`` or so."""

    def __init__(self, client: IClientProtocol) -> None:
        self.usage: Usage | None = None
        self.finished = False
        self.meaningful = False
        self.failure: GatewayError | None = None
        self._client = client

    def watch(self, event: ServerSentEvent) -> None:
        """Look at one event."""
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
            self.failure = UpstreamError("The upstream sent an event that is no JSON.")
            return
        if not name or name in ("message", "error"):
            name = typed.type or name
            error = error_in_event(name, event.data, self._client.decode_error)
            if error is not None:
                self.finished, self.failure = True, error
                return
        if typed.error is not None:
            self.finished = True
            self.failure = self._client.decode_error(500, {}, event.data)
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


@implementer(IClientProtocol)
class PassedClient:
    """One endpoint; ``client`` is the protocol that reads the same upstream's errors and lists."""

    traits = Traits(family="openai", native_only=True)

    def __init__(self, name: str, client: IClientProtocol) -> None:
        self.name = name
        self._client = client

    def encode(self, request: Request, target: Target) -> Encoded:
        """Fail: nothing is translated to this protocol."""
        raise InvalidRequestError(
            f"{target.model} is asked at an endpoint of its own ({self.name}), which this request "
            "cannot be put into."
        )

    def encode_count(self, request: Request, target: Target) -> Encoded | None:
        """Return ``None``: this protocol can't count tokens."""
        return None

    def decoder(self, request: Request, target: Target) -> IStreamDecoder:
        """Return a decoder for an answer that cannot be passed on in the form it has."""
        decoder: IStreamDecoder = PassedAnswerDecoder(self.decode_error)
        return decoder

    def tap(self) -> ITap:
        """Return a tap for one stream that is passed through."""
        return EventTap(self._client)

    def decode_usage(self, body: bytes) -> Usage | None:
        """Return the usage in a whole JSON answer, if it has one."""
        try:
            counts = lenient.decode(body, _Counted).usage
        except _MALFORMED:
            return None
        return None if counts is None else usage_of(counts)

    def decode_count(self, body: bytes) -> int:
        """Fail: this protocol can't count tokens."""
        raise UpstreamError(f"Upstreams can't count tokens in {self.name}.")

    def decode_models(self, body: bytes) -> Sequence[Model]:
        """Return the models in the upstream's list."""
        models: Sequence[Model] = self._client.decode_models(body)
        return models

    def decode_error(self, status: int, headers: Mapping[str, str], body: bytes) -> GatewayError:
        """Return the error in an answer with a status of 400 or more."""
        error: GatewayError = self._client.decode_error(status, headers, body)
        return error


class PassedAsWritten(PassedClient):
    """An endpoint whose answers end, and count tokens, as those of ``client`` do."""

    def decoder(self, request: Request, target: Target) -> IStreamDecoder:
        """Return a decoder for an answer that cannot be passed on in the form it has."""
        decoder: IStreamDecoder = self._client.decoder(request, target)
        return decoder

    def tap(self) -> ITap:
        """Return a tap for one stream that is passed through."""
        tap: ITap = self._client.tap()
        return tap

    def decode_usage(self, body: bytes) -> Usage | None:
        """Return the usage in a whole JSON answer, if it has one."""
        usage: Usage | None = self._client.decode_usage(body)
        return usage
