"""The two sides of OpenAI's embeddings, as the rest of the gateway sees them."""

from __future__ import annotations

from collections.abc import Mapping

from zope.interface import implementer

from antigravity.interfaces.embeddings import (
    EncodedEmbedding,
    IEmbeddingClient,
    IEmbeddingServer,
)
from antigravity.interfaces.server_traits import ServerTraits
from antigravity.ir.call import Call, Head, HttpReply, Route
from antigravity.ir.capabilities import Target, Traits
from antigravity.ir.embeddings import (
    EmbeddingInput,
    EmbeddingRequest,
    EmbeddingResponse,
    EmbedOperation,
)
from antigravity.ir.errors import GatewayError
from antigravity.ir.usage import Usage
from antigravity.protocols import openai_errors
from antigravity.protocols.json_body import members_of, peek, with_model
from antigravity.protocols.openai_embeddings import client, server
from antigravity.protocols.openai_shapes import error_reply


@implementer(IEmbeddingServer)
class OpenAIEmbeddingServer:
    """Serves ``/v1/embeddings``."""

    name = server.NAME
    routes = (Route("POST", "/v1/embeddings", "embed"),)
    traits = ServerTraits()

    def peek(self, call: Call) -> Head:
        """Return the model; nothing is streamed here."""
        return Head(peek(call.body, members_of(call)).model, False)

    def operation(self, call: Call) -> EmbedOperation:
        """Return the one operation that there is."""
        return "embed_batch"

    def count_inputs(self, call: Call) -> int:
        """Return how many vectors a body asks for, as far as a glance at it tells."""
        return server.count_inputs(call.body)

    def decode_embedding(self, call: Call) -> EmbeddingRequest:
        """Return the request."""
        return server.decode(call.body)

    def with_model(self, call: Call, model: str) -> bytes:
        """Return the call's body for another model, otherwise byte for byte as it came."""
        return with_model(call, model)

    def encode_embeddings(
        self, response: EmbeddingResponse, request: EmbeddingRequest, call: Call
    ) -> HttpReply:
        """Return the reply."""
        return server.encode(response, request)

    def encode_error(self, error: GatewayError, request_id: str) -> HttpReply:
        """Return the error in OpenAI's shape."""
        return error_reply(error)


@implementer(IEmbeddingClient)
class OpenAIEmbeddingClient:
    """Asks upstreams that have ``/embeddings``."""

    name = server.NAME
    traits = Traits(family="openai")
    largest_batch = 2048

    def encode_embedding(
        self, request: EmbeddingRequest, inputs: tuple[EmbeddingInput, ...], target: Target
    ) -> EncodedEmbedding:
        """Return some of a request's inputs as a body."""
        return client.encode(request, inputs, target.model)

    def decode_embeddings(self, body: bytes, expected: int) -> EmbeddingResponse:
        """Return the vectors in an answer."""
        return client.decode(body, expected)

    def decode_usage(self, body: bytes) -> Usage | None:
        """Return the usage in an answer, if it has one."""
        return client.decode_usage(body)

    def decode_error(self, status: int, headers: Mapping[str, str], body: bytes) -> GatewayError:
        """Return the error in an answer with a status of 400 or more."""
        return openai_errors.decode_error(status, headers, body)
