"""Both sides of OpenAI's embeddings."""

from __future__ import annotations

from typing import Final

from antigravity.ir.call import Call, Head, Route
from antigravity.ir.capabilities import Traits
from antigravity.protocols.client_protocol import EmbeddingClient
from antigravity.protocols.json_body import peek, with_model
from antigravity.protocols.openai_embeddings import client, server
from antigravity.protocols.openai_errors import decode_error
from antigravity.protocols.openai_shapes import encode_error
from antigravity.protocols.server_protocol import EmbeddingServer


def _peek(call: Call) -> Head:
    """Return the model; embeddings are never streamed."""
    return Head(peek(call).model, False)


OPENAI_EMBEDDINGS_SERVER: Final = EmbeddingServer(
    name=server.NAME,
    routes=(Route("POST", "/v1/embeddings", "embed"),),
    peek=_peek,
    operation=lambda call: "embed_batch",
    count_inputs=server.count_inputs,
    decode_embedding=server.decode,
    with_model=with_model,
    encode_embeddings=server.encode,
    encode_error=encode_error,
)

OPENAI_EMBEDDINGS_CLIENT: Final = EmbeddingClient(
    name=server.NAME,
    traits=Traits(family="openai"),
    largest_batch=2048,
    encode_embedding=client.encode,
    decode_embeddings=client.decode,
    decode_usage=client.decode_usage,
    decode_error=decode_error,
)
