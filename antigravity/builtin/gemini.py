"""Gemini: generateContent and embedContent, and the public API with a key."""

from __future__ import annotations

from collections.abc import Callable

from antigravity.hookspecs import hookimpl
from antigravity.protocols.gemini.embeddings import (
    GeminiEmbeddingClient,
    GeminiEmbeddingServer,
)
from antigravity.protocols.gemini.protocol import GeminiClient, GeminiServer
from antigravity.protocols.imagen.client import ImagenClient
from antigravity.protocols.imagen.server import ImagenServer
from antigravity.upstreams.gemini_api import GeminiApiKind


@hookimpl
def register_protocols(register: Callable[[object], None]) -> None:
    """Register both sides of the Gemini protocol, and of its embeddings."""
    server, client = GeminiServer(), GeminiClient()
    register(server)
    register(client)
    register(ImagenServer(server))
    register(ImagenClient(client))
    register(GeminiEmbeddingServer())
    register(GeminiEmbeddingClient())


@hookimpl
def register_upstreams(register: Callable[[object], None]) -> None:
    """Register the public Gemini API."""
    register(GeminiApiKind())
