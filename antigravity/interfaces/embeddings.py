"""Vectors for texts and media: a server of a protocol for them, a client of it, an upstream.

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
    """Inputs in a protocol's words, and what could not be said of them."""

    operation: EmbedOperation
    body: bytes
    warnings: tuple[Loss, ...] = ()


class IEmbeddingServer(IServerSide):
    """How to be a server of a protocol for vectors: its routes have the operation ``embed``."""

    def operation(call: Call) -> EmbedOperation:
        """Return what an upstream of the same protocol is asked with this body."""

    def count_inputs(call: Call) -> int:
        """Return how many vectors a body asks for, as far as a glance at it tells."""

    def decode_embedding(call: Call) -> EmbeddingRequest:
        """Return the request.

        :raises InvalidRequestError: naming the field at fault in ``param``.
        """

    def encode_embeddings(
        response: EmbeddingResponse, request: EmbeddingRequest, call: Call
    ) -> HttpReply:
        """Return the reply."""


class IEmbeddingClient(IClientSide):
    """How to be a client of a protocol for vectors."""

    largest_batch = Attribute("Inputs that one request may hold.  :type: int")

    def encode_embedding(
        request: EmbeddingRequest, inputs: tuple[EmbeddingInput, ...], target: Target
    ) -> EncodedEmbedding:
        """Return some of a request's inputs, which have the same ``dimensions``.

        :raises InvalidRequestError: for what the target can't do and nobody should guess.
        """

    def decode_embeddings(body: bytes, expected: int) -> EmbeddingResponse:
        """Return the vectors in an answer, in the order of the inputs.

        :raises UpstreamError: if it does not hold as many as are expected.
        """

    def decode_usage(body: bytes) -> Usage | None:
        """Return the usage in an answer that is passed through, if it has one."""


class IEmbeddingUpstream(Interface):
    """An upstream that can be asked for vectors."""

    embedding_protocols = Attribute(
        "Names of the protocols for vectors that it speaks, best first.  :type: tuple[str, ...]"
    )


class IEmbeddingKind(Interface):
    """Marks a kind of upstream whose upstreams are such; errors name it to people."""
