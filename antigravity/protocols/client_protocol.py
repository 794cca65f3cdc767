"""Clients of protocols as structs of functions; functions with defaults are optional."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from msgspec import Struct
from zope.interface import implementer

from antigravity.interfaces.embeddings import EncodedEmbedding, IEmbeddingClient
from antigravity.interfaces.protocols import EncodedRequest, IClientProtocol, IStreamDecoder, ITap
from antigravity.ir.capabilities import Model, Target, Traits
from antigravity.ir.embeddings import EmbeddingInput, EmbeddingRequest, EmbeddingResponse
from antigravity.ir.errors import GatewayError, UpstreamError
from antigravity.ir.events import MEANINGFUL, Finish, StreamFailure, UsageUpdate
from antigravity.ir.request import Request
from antigravity.ir.usage import Usage
from antigravity.sse import ServerSentEvent


@implementer(ITap)
class DecodingTap:
    """Watches a stream by decoding all of it: slower than a tap that scans bytes."""

    def __init__(self, decoder: IStreamDecoder) -> None:
        self._decoder = decoder
        self.usage: Usage | None = None
        self.finished = False
        self.meaningful = False
        self.failure: GatewayError | None = None

    def watch(self, event: ServerSentEvent) -> None:
        """Examine one event."""
        for each in self._decoder.decode(event):
            if isinstance(each, UsageUpdate):
                self.usage = each.usage
            elif isinstance(each, Finish):
                self.finished = True
            elif isinstance(each, StreamFailure):
                self.failure = each.error
            elif isinstance(each, MEANINGFUL):
                self.meaningful = True


def no_count_request(request: Request, target: Target) -> EncodedRequest | None:
    """Return ``None``: the gateway estimates the tokens."""
    return None


def no_count(body: bytes) -> int:
    """Refuse: upstreams of this protocol cannot count tokens.

    :raises UpstreamError: always.
    """
    raise UpstreamError("Upstreams of this protocol cannot count tokens.")


def no_usage(body: bytes) -> Usage | None:
    """Return ``None``: whole responses have no usage."""
    return None


@implementer(IClientProtocol)
class ClientProtocol(Struct, frozen=True, kw_only=True, eq=False):
    """A client protocol; ``IClientProtocol`` describes each function.

    Without ``make_tap`` a stream that is passed through is decoded to watch it.
    """

    name: str
    traits: Traits
    encode: Callable[[Request, Target], EncodedRequest]
    decoder: Callable[[Request, Target], IStreamDecoder]
    decode_error: Callable[[int, Mapping[str, str], bytes], GatewayError]
    decode_models: Callable[[bytes], Sequence[Model]]
    make_tap: Callable[[], ITap] | None = None
    decode_usage: Callable[[bytes], Usage | None] = no_usage
    encode_count: Callable[[Request, Target], EncodedRequest | None] = no_count_request
    decode_count: Callable[[bytes], int] = no_count
    socket_session: Callable[[], Any] | None = None

    def tap(self) -> ITap:
        """Return a tap for one stream that is passed through."""
        if self.make_tap is not None:
            return self.make_tap()
        return DecodingTap(self.decoder(Request("", (), self.name), Target("")))

    def __repr__(self) -> str:
        """Return the name without the functions."""
        return f"<ClientProtocol {self.name}>"


@implementer(IEmbeddingClient)
class EmbeddingClient(Struct, frozen=True, kw_only=True, eq=False):
    """A client protocol for embeddings; ``IEmbeddingClient`` describes each function."""

    name: str
    traits: Traits
    largest_batch: int
    encode_embedding: Callable[
        [EmbeddingRequest, tuple[EmbeddingInput, ...], Target], EncodedEmbedding
    ]
    decode_embeddings: Callable[[bytes, int], EmbeddingResponse]
    decode_error: Callable[[int, Mapping[str, str], bytes], GatewayError]
    decode_usage: Callable[[bytes], Usage | None] = no_usage
