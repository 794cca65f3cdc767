"""Every protocol as a server and as a client, and what a request means."""

from __future__ import annotations

import itertools
import json
from typing import Any

from antigravity.ir.call import Call, ReplyContext, Route
from antigravity.ir.capabilities import Loss, Target
from antigravity.ir.media import InlineData
from antigravity.ir.parts import Media, Text, ToolCall, ToolResult
from antigravity.ir.request import Request
from antigravity.protocols.anthropic.protocol import ANTHROPIC_CLIENT, ANTHROPIC_SERVER
from antigravity.protocols.gemini.protocol import GEMINI_CLIENT, GEMINI_SERVER
from antigravity.protocols.gemini_interactions.client import interactions_client
from antigravity.protocols.gemini_interactions.protocol import GEMINI_INTERACTIONS_SERVER
from antigravity.protocols.openai_chat.protocol import OPENAI_CHAT_CLIENT, OPENAI_CHAT_SERVER
from antigravity.protocols.openai_completions.protocol import OPENAI_COMPLETIONS_SERVER
from antigravity.protocols.openai_responses.protocol import (
    OPENAI_RESPONSES_CLIENT,
    OPENAI_RESPONSES_SERVER,
)
from antigravity.routing.capability_table import load_table

SERVERS: dict[str, Any] = {
    server.name: server
    for server in (
        OPENAI_CHAT_SERVER,
        OPENAI_RESPONSES_SERVER,
        OPENAI_COMPLETIONS_SERVER,
        ANTHROPIC_SERVER,
        GEMINI_SERVER,
        GEMINI_INTERACTIONS_SERVER,
    )
}
CLIENTS: dict[str, Any] = {
    client.name: client
    for client in (
        OPENAI_CHAT_CLIENT,
        OPENAI_RESPONSES_CLIENT,
        ANTHROPIC_CLIENT,
        GEMINI_CLIENT,
        interactions_client(GEMINI_CLIENT),
    )
}
#: Models that differ in what they can do, by the protocol that reaches them.
MODELS = {
    "openai_chat": ("gpt-4.1", "gpt-5.2", "unknown-model"),
    "openai_responses": ("gpt-4.1", "gpt-5.2"),
    "anthropic": ("claude-sonnet-4-5", "claude-opus-4-7", "glm-4.6v"),
    "gemini": ("gemini-2.5-flash", "gemini-3-pro-preview", "gemini-2.0-flash"),
    "gemini_interactions": ("gemini-2.5-flash", "gemini-3-pro-preview"),
}
TARGETS = [(name, model) for name, models in MODELS.items() for model in models]
PAIRS = list(itertools.product(SERVERS, CLIENTS))

_TABLE = load_table(())


def target(model: str) -> Target:
    """Return a target with what the shipped data says of it."""
    return Target(model, _TABLE.capabilities(model))


def call_of(protocol: str, body: object, *, stream: bool = True, sse: bool = True) -> Call:
    """Return a call for an answer, as it stands at the door."""
    routes = [route for route in SERVERS[protocol].routes if route.operation == "generate"]
    route: Route = routes[0]
    arguments: dict[str, str] = {}
    query: dict[str, str] = {}
    if protocol == "gemini":
        route = next(r for r in routes if r.tag == ("stream" if stream else "whole"))
        arguments = {"model": "m"}
        query = {"alt": "sse" if sse else "json"}
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Call(route, arguments, query, {}, data)


def decode(protocol: str, body: object) -> Request:
    """Return what a server of the protocol makes of a body."""
    request: Request = SERVERS[protocol].decode(call_of(protocol, body))
    return request


def context(protocol: str, body: object, *, stream: bool = True, sse: bool = True) -> ReplyContext:
    """Return the context of the reply to a body."""
    call = call_of(protocol, body, stream=stream, sse=sse)
    numbers = itertools.count(1)
    return ReplyContext(
        call, SERVERS[protocol].decode(call), "m", 1, lambda prefix: f"{prefix}{next(numbers)}"
    )


# -- what a request means -------------------------------------------------------------------


def conversation(request: Request) -> list[tuple[Any, ...]]:
    """Return the conversation in order, without ids: results say which call they answer."""
    found: list[tuple[Any, ...]] = []
    calls: dict[str, int] = {}
    for message in request.messages:
        for part in message.parts:
            match part:
                case Text(text=text) if text:
                    if found and found[-1][:2] == ("text", message.role):
                        found[-1] = ("text", message.role, found[-1][2] + text)
                    else:
                        found.append(("text", message.role, text))
                case Media(kind=kind, source=InlineData(data=data)):
                    found.append((kind, part.mime_type, data))
                case ToolCall():
                    assert part.id not in calls, "every call has an id of its own"
                    calls[part.id] = len(calls)
                    found.append(("call", part.name, json.loads(part.arguments)))
                case ToolResult():
                    content = tuple(
                        inner.text if isinstance(inner, Text) else _data(inner)
                        for inner in part.parts
                    )
                    found.append(("result", calls[part.call_id], content))
    return found


def _data(media: Media) -> str:
    assert isinstance(media.source, InlineData)
    return media.source.data


def tools(request: Request) -> set[tuple[str, str, str]]:
    """Return the functions: name, description, schema."""
    return {
        (tool.name, tool.description, json.dumps(tool.parameters, sort_keys=True))  # type: ignore[union-attr]
        for tool in request.tools
    }


def lost(losses: tuple[Loss, ...], *fields: str) -> bool:
    """Return whether one of the fields, or a part of it, is named among the losses."""
    return any(loss.field.partition(".")[0] in fields or loss.field in fields for loss in losses)
