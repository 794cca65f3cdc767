"""Embeddings: the server side of a protocol for them, the client side, and upstreams.

Protocols are sans-IO and synchronous.  One object can provide several of these interfaces, and
those of :mod:`antigravity.interfaces.protocols`.
"""

from __future__ import annotations

from msgspec import Struct
from zope.interface import Attribute, Interface

from antigravity.interfaces.protocols import IClientSide, IServerSide
from antigravity.ir.call import Call, HttpReply
from antigravity.ir.capabilities import Loss, Target
from antigravity.ir.embeddings import (
    EmbeddingInput,
    EmbeddingRequest,
    EmbeddingResponse,
    EmbedOperation,
)
from antigravity.ir.usage import Usage


class EncodedEmbedding(Struct, frozen=True):
    """The body of a request for embeddings, and its losses."""

    operation: EmbedOperation
    body: bytes
    warnings: tuple[Loss, ...] = ()


class IEmbeddingServer(IServerSide):
    """The server side of a protocol for embeddings: its routes have the operation ``embed``."""

    def operation(call: Call) -> EmbedOperation:
        """Return the operation of an upstream of the same protocol for this body."""

    def count_inputs(call: Call) -> int:
        """Return how many vectors a body asks for, without decoding it."""

    def decode_embedding(call: Call) -> EmbeddingRequest:
        """Return the request.

        :raises InvalidRequestError: with the invalid field as ``param``.
        """

    def encode_embeddings(
        response: EmbeddingResponse, request: EmbeddingRequest, call: Call
    ) -> HttpReply:
        """Return the reply."""


class IEmbeddingClient(IClientSide):
    """The client side of a protocol for embeddings."""

    largest_batch = Attribute("The maximum number of inputs in one request.  :type: int")

    def encode_embedding(
        request: EmbeddingRequest, inputs: tuple[EmbeddingInput, ...], target: Target
    ) -> EncodedEmbedding:
        """Return a request for some of the inputs, which have the same ``dimensions``.

        :raises InvalidRequestError: if the target does not support an input.
        """

    def decode_embeddings(body: bytes, expected: int) -> EmbeddingResponse:
        """Return the vectors in a response, in the order of the inputs.

        :raises UpstreamError: if the number of vectors is not ``expected``.
        """

    def decode_usage(body: bytes) -> Usage | None:
        """Return the usage in a response that is passed through, if it has one."""


class IEmbeddingUpstream(Interface):
    """An upstream that serves embeddings."""

    embedding_protocols = Attribute(
        "Names of its protocols for embeddings, best first.  :type: tuple[str, ...]"
    )


class IEmbeddingKind(Interface):
    """A kind of upstream that serves embeddings; error messages name it."""
