"""Gemini: generateContent, and the public API with a key."""

from __future__ import annotations

from collections.abc import Callable

from antigravity.hookspecs import hookimpl
from antigravity.protocols.gemini.protocol import GeminiClient, GeminiServer
from antigravity.upstreams.gemini_api import GeminiApiKind


@hookimpl
def register_protocols(register: Callable[[object], None]) -> None:
    """Register both sides of the Gemini protocol."""
    register(GeminiServer())
    register(GeminiClient())


@hookimpl
def register_upstreams(register: Callable[[object], None]) -> None:
    """Register the public Gemini API."""
    register(GeminiApiKind())
