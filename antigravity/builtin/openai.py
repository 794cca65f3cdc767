"""OpenAI: chat completions, legacy completions, responses, and compatible upstreams."""

from __future__ import annotations

from collections.abc import Callable

from antigravity.hookspecs import hookimpl
from antigravity.protocols.openai_chat.protocol import OpenAIChatClient, OpenAIChatServer
from antigravity.protocols.openai_completions.protocol import OpenAICompletionsServer
from antigravity.protocols.openai_responses.protocol import (
    OpenAIResponsesClient,
    OpenAIResponsesServer,
)
from antigravity.upstreams.openai import OpenAIKind


@hookimpl
def register_protocols(register: Callable[[object], None]) -> None:
    """Register both sides of chat and responses, and the server side of completions."""
    for protocol in (
        OpenAIChatServer,
        OpenAIChatClient,
        OpenAICompletionsServer,
        OpenAIResponsesServer,
        OpenAIResponsesClient,
    ):
        register(protocol())


@hookimpl
def register_upstreams(register: Callable[[object], None]) -> None:
    """Register upstreams with an OpenAI-compatible base URL."""
    register(OpenAIKind())
