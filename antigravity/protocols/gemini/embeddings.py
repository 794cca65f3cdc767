"""Both sides of Gemini's embeddings."""

from __future__ import annotations

from typing import Final

from antigravity.ir.call import Body, Call, Head, Route
from antigravity.ir.capabilities import Traits
from antigravity.ir.embeddings import EmbedOperation
from antigravity.ir.errors import InvalidRequestError
from antigravity.protocols.client_protocol import EmbeddingClient
from antigravity.protocols.gemini import client_errors, embeddings_client, embeddings_server, errors
from antigravity.protocols.gemini.embeddings_server import BATCH, NAME
from antigravity.protocols.gemini.server_request import model_of
from antigravity.protocols.gemini.with_model import with_model
from antigravity.protocols.json_body import load_members
from antigravity.protocols.server_protocol import EmbeddingServer


def _peek(call: Call) -> Head:
    load_members(call.body)
    model = model_of(call)
    if not model:
        raise InvalidRequestError("The path does not name a model.", param="$.model")
    return Head(model, False)


def _operation(call: Call) -> EmbedOperation:
    return "embed_batch" if call.route.tag == BATCH else "embed"


def _with_model(call: Call, model: str) -> Body:
    return with_model(call.body, model)


GEMINI_EMBEDDINGS_SERVER: Final = EmbeddingServer(
    name=NAME,
    routes=tuple(
        Route("POST", f"{version}/models/{{model...}}{verb}", "embed", tag)
        for version in ("/v1beta", "/v1")
        for verb, tag in ((":embedContent", ""), (":batchEmbedContents", BATCH))
    ),
    peek=_peek,
    operation=_operation,
    count_inputs=embeddings_server.count_inputs,
    decode_embedding=embeddings_server.decode,
    with_model=_with_model,
    encode_embeddings=embeddings_server.encode,
    encode_error=errors.error_reply,
)

GEMINI_EMBEDDINGS_CLIENT: Final = EmbeddingClient(
    name=NAME,
    traits=Traits(family="gemini"),
    largest_batch=100,
    encode_embedding=embeddings_client.encode,
    decode_embeddings=embeddings_client.decode,
    decode_usage=embeddings_client.decode_usage,
    decode_error=client_errors.decode_error,
)
