"""Gemini: generateContent and embedContent, and the public API with a key."""

from __future__ import annotations

from collections.abc import Callable

from antigravity.hookspecs import hookimpl
from antigravity.protocols.gemini.embeddings import (
    GEMINI_EMBEDDINGS_CLIENT,
    GEMINI_EMBEDDINGS_SERVER,
)
from antigravity.protocols.gemini.protocol import GEMINI_CLIENT, GEMINI_SERVER
from antigravity.protocols.imagen.client import imagen_client
from antigravity.protocols.imagen.server import imagen_server
from antigravity.upstreams.gemini_api import GeminiApiKind


@hookimpl
def register_protocols(register: Callable[[object], None]) -> None:
    """Register both sides of the Gemini protocol, and of its embeddings."""
    register(GEMINI_SERVER)
    register(GEMINI_CLIENT)
    register(imagen_server(GEMINI_SERVER))
    register(imagen_client(GEMINI_CLIENT))
    register(GEMINI_EMBEDDINGS_SERVER)
    register(GEMINI_EMBEDDINGS_CLIENT)


@hookimpl
def register_upstreams(register: Callable[[object], None]) -> None:
    """Register the public Gemini API."""
    register(GeminiApiKind())
