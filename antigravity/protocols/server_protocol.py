"""Servers of protocols as structs of functions; functions with defaults are optional."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NoReturn

from msgspec import Struct
from zope.interface import implementer

from antigravity.interfaces.embeddings import IEmbeddingServer
from antigravity.interfaces.protocols import IServerProtocol, IStreamEncoder
from antigravity.interfaces.server_traits import ServerTraits
from antigravity.ir.call import Body, Call, Head, HttpReply, ReplyContext, Route, TokenCount
from antigravity.ir.capabilities import Model
from antigravity.ir.embeddings import EmbeddingRequest, EmbeddingResponse, EmbedOperation
from antigravity.ir.errors import GatewayError, NotFoundError
from antigravity.ir.request import Request
from antigravity.ir.response import Response


def same_body(call: Call, model: str) -> Body:
    """Return a call's body, for a protocol whose bodies do not name the model."""
    return call.body


def _no_operation(name: str) -> NoReturn:
    raise NotFoundError(f"This protocol does not support {name}.", code="no_such_operation")


def _no_count(count: TokenCount, call: Call) -> HttpReply:
    _no_operation("count_tokens")


def _no_models(models: Sequence[Model], call: Call) -> HttpReply:
    _no_operation("list_models")


def _no_model(model: Model, call: Call) -> HttpReply:
    _no_operation("get_model")


@implementer(IServerProtocol)
class ServerProtocol(Struct, frozen=True, kw_only=True, eq=False):
    """A server protocol; ``IServerProtocol`` describes each function."""

    name: str
    routes: tuple[Route, ...]
    peek: Callable[[Call], Head]
    decode: Callable[[Call], Request]
    encoder: Callable[[ReplyContext], IStreamEncoder]
    encode_response: Callable[[Response, ReplyContext], HttpReply]
    encode_error: Callable[[GatewayError, str], HttpReply]
    with_model: Callable[[Call, str], Body] = same_body
    encode_count: Callable[[TokenCount, Call], HttpReply] = _no_count
    encode_models: Callable[[Sequence[Model], Call], HttpReply] = _no_models
    encode_model: Callable[[Model, Call], HttpReply] = _no_model
    keepalive: bytes = b""
    traits: ServerTraits = ServerTraits()

    def __repr__(self) -> str:
        """Return the name without the functions."""
        return f"<ServerProtocol {self.name}>"


@implementer(IEmbeddingServer)
class EmbeddingServer(Struct, frozen=True, kw_only=True, eq=False):
    """A server protocol for embeddings; ``IEmbeddingServer`` describes each function."""

    name: str
    routes: tuple[Route, ...]
    peek: Callable[[Call], Head]
    operation: Callable[[Call], EmbedOperation]
    count_inputs: Callable[[Call], int]
    decode_embedding: Callable[[Call], EmbeddingRequest]
    with_model: Callable[[Call, str], Body]
    encode_embeddings: Callable[[EmbeddingResponse, EmbeddingRequest, Call], HttpReply]
    encode_error: Callable[[GatewayError, str], HttpReply]
    traits: ServerTraits = ServerTraits()
