"""Both sides of Gemini's embeddings, as the rest of the gateway sees them."""

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
from antigravity.ir.errors import GatewayError, InvalidRequestError
from antigravity.ir.usage import Usage
from antigravity.protocols.gemini import (
    client_errors,
    embeddings_client,
    embeddings_server,
    errors,
)
from antigravity.protocols.gemini.reading import load_members
from antigravity.protocols.gemini.server_request import model_of
from antigravity.protocols.gemini.with_model import with_model

_VERBS = ((":embedContent", ""), (":batchEmbedContents", embeddings_server.BATCH))


@implementer(IEmbeddingServer)
class GeminiEmbeddingServer:
    """Serves ``embedContent`` and ``batchEmbedContents``."""

    name = embeddings_server.NAME
    traits = ServerTraits()
    routes = tuple(
        Route("POST", f"{version}/models/{{model...}}{verb}", "embed", tag)
        for version in ("/v1beta", "/v1")
        for verb, tag in _VERBS
    )

    def peek(self, call: Call) -> Head:
        """Return the model.

        :raises InvalidRequestError: if the body is no JSON object or the path names no model.
        """
        load_members(call.body)
        model = model_of(call)
        if not model:
            raise InvalidRequestError("The path names no model.", param="$.model")
        return Head(model, False)

    def operation(self, call: Call) -> EmbedOperation:
        """Return which of the two a call is."""
        return "embed_batch" if call.route.tag == embeddings_server.BATCH else "embed"

    def count_inputs(self, call: Call) -> int:
        """Return how many vectors a body asks for, as far as a glance at it tells."""
        return embeddings_server.count_inputs(call)

    def decode_embedding(self, call: Call) -> EmbeddingRequest:
        """Return the request."""
        return embeddings_server.decode(call)

    def with_model(self, call: Call, model: str) -> bytes:
        """Return the body for another model, otherwise byte for byte as it came."""
        return with_model(call.body, model)

    def encode_embeddings(
        self, response: EmbeddingResponse, request: EmbeddingRequest, call: Call
    ) -> HttpReply:
        """Return the reply."""
        return embeddings_server.encode(response, call)

    def encode_error(self, error: GatewayError, request_id: str) -> HttpReply:
        """Return the error in Google's shape."""
        return errors.error_reply(error, request_id)


@implementer(IEmbeddingClient)
class GeminiEmbeddingClient:
    """Asks the Gemini API for vectors."""

    name = embeddings_server.NAME
    traits = Traits(family="gemini")
    largest_batch = 100

    def encode_embedding(
        self, request: EmbeddingRequest, inputs: tuple[EmbeddingInput, ...], target: Target
    ) -> EncodedEmbedding:
        """Return some of a request's inputs as a body."""
        return embeddings_client.encode(request, inputs, target)

    def decode_embeddings(self, body: bytes, expected: int) -> EmbeddingResponse:
        """Return the vectors in an answer."""
        return embeddings_client.decode(body, expected)

    def decode_usage(self, body: bytes) -> Usage | None:
        """Return the usage in an answer, if it has one."""
        return embeddings_client.decode_usage(body)

    def decode_error(self, status: int, headers: Mapping[str, str], body: bytes) -> GatewayError:
        """Return the error in an answer with a status of 400 or more."""
        return client_errors.decode_error(status, headers, body)
