"""Gemini: generateContent and embedContent, and the public API with a key."""

from __future__ import annotations

from collections.abc import Callable

from antigravity.hookspecs import hookimpl
from antigravity.protocols.gemini.embeddings import (
    GeminiEmbeddingClient,
    GeminiEmbeddingServer,
)
from antigravity.protocols.gemini.protocol import GeminiClient, GeminiServer
from antigravity.upstreams.gemini_api import GeminiApiKind


@hookimpl
def register_protocols(register: Callable[[object], None]) -> None:
    """Register both sides of the Gemini protocol, and of its embeddings."""
    register(GeminiServer())
    register(GeminiClient())
    register(GeminiEmbeddingServer())
    register(GeminiEmbeddingClient())


@hookimpl
def register_upstreams(register: Callable[[object], None]) -> None:
    """Register the public Gemini API."""
    register(GeminiApiKind())
