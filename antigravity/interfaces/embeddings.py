"""Embeddings: the server side of a protocol for them, the client side, and upstreams.

Protocols are sans-IO and synchronous.  One object may be several of these, or of those in
:mod:`antigravity.interfaces.protocols`; they are registered alike.
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
    """The body of a request for embeddings, and what it could not express."""

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

        :raises InvalidRequestError: naming the field at fault in ``param``.
        """

    def encode_embeddings(
        response: EmbeddingResponse, request: EmbeddingRequest, call: Call
    ) -> HttpReply:
        """Return the reply."""


class IEmbeddingClient(IClientSide):
    """The client side of a protocol for embeddings."""

    largest_batch = Attribute("Inputs that one request may hold.  :type: int")

    def encode_embedding(
        request: EmbeddingRequest, inputs: tuple[EmbeddingInput, ...], target: Target
    ) -> EncodedEmbedding:
        """Return some of a request's inputs, which have the same ``dimensions``.

        :raises InvalidRequestError: if the target cannot do it.
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
        "Names of the protocols for vectors that it speaks, best first.  :type: tuple[str, ...]"
    )


class IEmbeddingKind(Interface):
    """Marks a kind of upstream that serves embeddings; error messages name it."""
