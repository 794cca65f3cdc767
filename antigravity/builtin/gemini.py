"""Gemini: generateContent and embedContent, and the public API with a key."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from antigravity.builtin.protocols import (
    client,
    embedding_client,
    embedding_server,
    post,
    server,
)
from antigravity.hookspecs import hookimpl
from antigravity.interfaces.lazy_protocol import LazyProtocol, LazyServer
from antigravity.interfaces.protocols import IClientProtocol, IServerProtocol
from antigravity.ir.call import Operation, Route
from antigravity.upstreams.gemini_api import GeminiApiKind

_NAME = "gemini"
_EMBEDDINGS = "gemini_embeddings"
_IMAGEN = "imagen"
_INTERACTIONS = "gemini_interactions"
_VERSIONS = ("/v1beta", "/v1")
_POSTS: tuple[tuple[str, Operation, str], ...] = (
    (":generateContent", "generate", "whole"),
    (":streamGenerateContent", "generate", "stream"),
    (":countTokens", "count_tokens", ""),
    ("/countTokens", "count_tokens", ""),
)
_EMBEDS = ((":embedContent", ""), (":batchEmbedContents", "batch"))


@hookimpl
def register_protocols(register: Callable[[object], None]) -> None:
    """Register both sides of the Gemini protocol, and of its embeddings."""
    register(server(_NAME, _routes(), "gemini.protocol.GEMINI_SERVER"))
    register(client(_NAME, "gemini.protocol.GEMINI_CLIENT"))
    interactions = f"{_INTERACTIONS}.protocol.GEMINI_INTERACTIONS_SERVER"
    register(server(_INTERACTIONS, _interaction_routes(), interactions))
    register(LazyProtocol(IClientProtocol, _INTERACTIONS, _interactions_client))
    predict = post(*(f"{version}/models/{{model...}}:predict" for version in _VERSIONS))
    register(LazyServer(IServerProtocol, _IMAGEN, predict, _imagen_server))
    register(LazyProtocol(IClientProtocol, _IMAGEN, _imagen_client))
    embeds = tuple(
        Route("POST", f"{version}/models/{{model...}}{verb}", "embed", tag)
        for version in _VERSIONS
        for verb, tag in _EMBEDS
    )
    embeddings = "gemini.embeddings.GEMINI_EMBEDDINGS"
    register(embedding_server(_EMBEDDINGS, embeds, f"{embeddings}_SERVER"))
    register(embedding_client(_EMBEDDINGS, f"{embeddings}_CLIENT"))


@hookimpl
def register_upstreams(register: Callable[[object], None]) -> None:
    """Register the public Gemini API."""
    register(GeminiApiKind())


def _routes() -> tuple[Route, ...]:
    routes: list[Route] = []
    for version in _VERSIONS:
        routes.append(Route("GET", f"{version}/models", "list_models"))
        routes.append(Route("GET", f"{version}/models/{{model...}}", "get_model"))
        routes.extend(
            Route("POST", f"{version}/models/{{model...}}{verb}", operation, tag)
            for verb, operation, tag in _POSTS
        )
    return tuple(routes)


def _interaction_routes() -> tuple[Route, ...]:
    routes: list[Route] = []
    for path in (f"{version}/interactions" for version in _VERSIONS):
        routes += [
            Route("POST", path, "generate"),
            Route("GET", f"{path}/{{id}}", "stored", "retrieve"),
            Route("DELETE", f"{path}/{{id}}", "stored", "delete"),
            Route("POST", f"{path}/{{id}}/cancel", "stored", "cancel"),
            Route("POST", f"{path}/{{id}}:cancel", "stored", "cancel"),
        ]
    return tuple(routes)


def _interactions_client() -> Any:
    from antigravity.protocols.gemini.protocol import GEMINI_CLIENT
    from antigravity.protocols.gemini_interactions.client import interactions_client

    return interactions_client(GEMINI_CLIENT)


def _imagen_server() -> Any:
    from antigravity.protocols.gemini.protocol import GEMINI_SERVER
    from antigravity.protocols.imagen.server import imagen_server

    return imagen_server(GEMINI_SERVER)


def _imagen_client() -> Any:
    from antigravity.protocols.gemini.protocol import GEMINI_CLIENT
    from antigravity.protocols.imagen.client import imagen_client

    return imagen_client(GEMINI_CLIENT)
