"""Checks of protocols for embeddings."""

from __future__ import annotations

from typing import Any, Final

from antigravity.interfaces.embeddings import EncodedEmbedding
from antigravity.ir.call import Call
from antigravity.ir.capabilities import Target
from antigravity.ir.embeddings import EmbeddingInput, EmbeddingRequest, EmbeddingResponse
from antigravity.ir.errors import GatewayError, InvalidRequestError
from antigravity.ir.parts import Text
from antigravity.ir.usage import Usage
from antigravity.testing.attempts import (
    INVALID_BODIES,
    Problems,
    UnexpectedError,
    attempt,
    format_body,
)
from antigravity.testing.client_checks import check_client_side
from antigravity.testing.server_checks import check_readers, check_reply, check_server_side

_OPERATIONS: Final = ("embed", "embed_batch")
_INPUTS: Final = (
    EmbeddingInput((Text("One"),), "input[0]"),
    EmbeddingInput((Text("Two"),), "input[1]"),
)


def check_embedding_server(protocol: Any) -> Problems:
    """Check the server side of a protocol for embeddings."""
    yield from check_server_side(protocol)
    routes = [route for route in protocol.routes if route.operation == "embed"]
    if not routes:
        yield 'has no route with the operation "embed"'
    for route in routes:
        readers = ("peek", "decode_embedding", "operation", "count_inputs")
        yield from check_readers(protocol, route, *readers)
        call = Call(route, {"model": "a-model"}, {}, {}, b"{}")
        request = EmbeddingRequest("a-model", _INPUTS[:1], protocol.name)
        response = EmbeddingResponse(((0.25, -0.5),), Usage(input_total=3))
        encode = protocol.encode_embeddings
        yield from check_reply("encode_embeddings", encode, response, request, call)


def check_embedding_client(protocol: Any) -> Problems:
    """Check the client side of a protocol for embeddings."""
    yield from check_client_side(protocol)
    if not isinstance(protocol.largest_batch, int) or protocol.largest_batch < 1:
        yield f"has a largest_batch of {protocol.largest_batch!r}"
        return
    yield from _check_encoding(protocol)
    for text in INVALID_BODIES:
        found = attempt(protocol.decode_embeddings, text, 2)
        if not isinstance(found, GatewayError):
            problem = found if isinstance(found, UnexpectedError) else "returns two vectors"
            yield f"{problem} in a response that is {format_body(text)}; that is an UpstreamError"
            break
    for text in INVALID_BODIES:
        usage = attempt(protocol.decode_usage, text)
        if usage is not None and not isinstance(usage, Usage):
            problem = (
                usage if isinstance(usage, UnexpectedError) else f"returns a {type(usage).__name__}"
            )
            yield f"{problem} in a response that is {format_body(text)}; decode_usage returns None"
            break


def _check_encoding(protocol: Any) -> Problems:
    for inputs in (_INPUTS[:1], _INPUTS[: protocol.largest_batch]):
        what = f"{len(inputs)} input(s)"
        request = EmbeddingRequest("a-model", inputs, "check")
        encoded = attempt(protocol.encode_embedding, request, inputs, Target("a-model"))
        if isinstance(encoded, UnexpectedError):
            yield f"{encoded} at {what}"
        elif isinstance(encoded, EncodedEmbedding):
            if type(encoded.body) is not bytes:
                yield f"encodes {what} as a {type(encoded.body).__name__}, not as bytes"
            if encoded.operation not in _OPERATIONS:
                yield f"encodes {what} for {encoded.operation!r}, which is not an operation"
        elif not isinstance(encoded, InvalidRequestError):
            kind = type(encoded).__name__
            yield f"encodes {what} as a {kind}, not as an EncodedEmbedding"
