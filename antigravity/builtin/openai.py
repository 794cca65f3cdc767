"""OpenAI: chat completions, legacy completions, responses, and compatible upstreams."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
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
from antigravity.ir.call import Route
from antigravity.upstreams.openai import (
    CHAT,
    COMPLETIONS,
    EMBEDDINGS,
    IMAGE_EDITS,
    IMAGES,
    RESPONSES,
    SPEECH,
    TRANSCRIPTIONS,
    TRANSLATIONS,
    OpenAIKind,
)

_CHAT_ROUTES = (
    *post("/v1/chat/completions"),
    Route("GET", "/v1/models", "list_models"),
    Route("GET", "/v1/models/{model...}", "get_model"),
)
_RESPONSES_ROUTES = (
    *post("/v1/responses"),
    Route("POST", "/v1/responses/compact", "generate", "compact"),
    Route("POST", "/v1/responses/input_tokens", "count_tokens"),
    Route("GET", "/v1/responses/{id}", "stored", "retrieve"),
    Route("DELETE", "/v1/responses/{id}", "stored", "delete"),
    Route("GET", "/v1/responses/{id}/input_items", "stored", "input_items"),
    Route("POST", "/v1/responses/{id}/cancel", "stored", "cancel"),
)


@hookimpl
def register_protocols(register: Callable[[object], None]) -> None:
    """Register both sides of each protocol; some have a client for native pass-through only."""
    audio = "openai_transcriptions.protocol.OPENAI"
    images = "openai_images.protocol.OPENAI"
    for protocol in (
        server(IMAGES, post("/v1/images/generations"), f"{images}_IMAGES_SERVER"),
        server(IMAGE_EDITS, post("/v1/images/edits"), f"{images}_IMAGE_EDITS_SERVER"),
        server(TRANSCRIPTIONS, post("/v1/audio/transcriptions"), f"{audio}_TRANSCRIPTIONS_SERVER"),
        server(TRANSLATIONS, post("/v1/audio/translations"), f"{audio}_TRANSLATIONS_SERVER"),
        server(SPEECH, post("/v1/audio/speech"), "openai_speech.protocol.OPENAI_SPEECH_SERVER"),
        LazyServer(IServerProtocol, CHAT, _CHAT_ROUTES, _chat_server),
        client(CHAT, "openai_chat.protocol.OPENAI_CHAT_CLIENT"),
        server(
            COMPLETIONS,
            post("/v1/completions"),
            "openai_completions.protocol.OPENAI_COMPLETIONS_SERVER",
        ),
        server(RESPONSES, _RESPONSES_ROUTES, "openai_responses.protocol.OPENAI_RESPONSES_SERVER"),
        client(RESPONSES, "openai_responses.protocol.OPENAI_RESPONSES_CLIENT"),
    ):
        register(protocol)
    for name in (IMAGES, IMAGE_EDITS, SPEECH, TRANSCRIPTIONS, TRANSLATIONS, COMPLETIONS):
        register(LazyProtocol(IClientProtocol, name, partial(_native_only, name)))
    embeddings = "openai_embeddings.protocol.OPENAI_EMBEDDINGS"
    routes = (Route("POST", "/v1/embeddings", "embed"),)
    register(embedding_server(EMBEDDINGS, routes, f"{embeddings}_SERVER"))
    register(embedding_client(EMBEDDINGS, f"{embeddings}_CLIENT"))


@cache
def _chat_server() -> Any:
    from antigravity.protocols.openai_chat.protocol import OPENAI_CHAT_SERVER
    from antigravity.protocols.openai_hybrid import accept_responses_bodies

    return accept_responses_bodies(OPENAI_CHAT_SERVER, _responses_server)


def _responses_server() -> Any:
    from antigravity.protocols.openai_responses.protocol import OPENAI_RESPONSES_SERVER

    return OPENAI_RESPONSES_SERVER


def _native_only(name: str) -> Any:
    from antigravity.protocols.openai_chat.protocol import OPENAI_CHAT_CLIENT
    from antigravity.protocols.openai_native_only import native_only_client

    return native_only_client(name, OPENAI_CHAT_CLIENT, same_responses=name == COMPLETIONS)


@hookimpl
def register_upstreams(register: Callable[[object], None]) -> None:
    """Register upstreams with an OpenAI-compatible base URL."""
    register(OpenAIKind())
