"""Anthropic: messages, and compatible upstreams such as z.ai."""

from __future__ import annotations

from collections.abc import Callable

from antigravity.hookspecs import hookimpl
from antigravity.protocols.anthropic.protocol import ANTHROPIC_CLIENT, ANTHROPIC_SERVER
from antigravity.upstreams.anthropic import AnthropicKind


@hookimpl
def register_protocols(register: Callable[[object], None]) -> None:
    """Register both sides of the Messages protocol."""
    register(ANTHROPIC_SERVER)
    register(ANTHROPIC_CLIENT)


@hookimpl
def register_upstreams(register: Callable[[object], None]) -> None:
    """Register upstreams with an Anthropic-compatible base URL."""
    register(AnthropicKind())
