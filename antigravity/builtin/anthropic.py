"""Anthropic: messages, and compatible upstreams such as z.ai."""

from __future__ import annotations

from collections.abc import Callable

from antigravity.builtin.protocols import client, post, server
from antigravity.hookspecs import hookimpl
from antigravity.ir.call import Route
from antigravity.upstreams.anthropic import AnthropicKind

_NAME = "anthropic"
_ROUTES = (
    *post("/v1/messages"),
    Route("POST", "/v1/messages/count_tokens", "count_tokens"),
    Route("GET", "/v1/models/claude", "list_models", "claude"),
    Route("GET", "/v1/models", "list_models"),
    Route("GET", "/v1/models/{model...}", "get_model"),
)


@hookimpl
def register_protocols(register: Callable[[object], None]) -> None:
    """Register both sides of the Messages protocol."""
    register(server(_NAME, _ROUTES, "anthropic.protocol.ANTHROPIC_SERVER"))
    register(client(_NAME, "anthropic.protocol.ANTHROPIC_CLIENT"))


@hookimpl
def register_upstreams(register: Callable[[object], None]) -> None:
    """Register upstreams with an Anthropic-compatible base URL."""
    register(AnthropicKind())
