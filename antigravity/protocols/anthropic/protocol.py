"""The Messages API: its server side and its client side."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from antigravity.interfaces.server_traits import ServerTraits, StoredResponses
from antigravity.ir.call import Call, Head, HttpReply, Route
from antigravity.ir.capabilities import Model, Traits
from antigravity.protocols.anthropic import (
    client_reply,
    client_request,
    errors,
    function_forms,
    schema,
    server_history,
    server_reply,
    server_scan,
    threads,
)
from antigravity.protocols.anthropic.client_models import decode_models
from antigravity.protocols.anthropic.client_stream import AnthropicStreamDecoder
from antigravity.protocols.anthropic.client_tap import AnthropicTap
from antigravity.protocols.anthropic.request_reader import read, reject
from antigravity.protocols.anthropic.server_request import decode_request
from antigravity.protocols.anthropic.server_stream import PING, stream_encoder
from antigravity.protocols.client_protocol import ClientProtocol
from antigravity.protocols.conversation_hint import conversation_key
from antigravity.protocols.json_body import beginning, members_of, with_model
from antigravity.protocols.server_protocol import ServerProtocol

NAME: Final = "anthropic"


def _peek(call: Call) -> Head:
    members = members_of(call)
    if "model" not in members:
        reject("$.model", "Field required")
    head = read(beginning(members), schema.Beginning, "$")
    if not head.model:
        reject("$.model", "String should have at least 1 character")
    return Head(head.model, bool(head.stream))


def _conversation_hint(call: Call) -> str | None:
    found = members_of(call)
    return conversation_key(found, found.get("messages"))


def _encode_models(models: Sequence[Model], call: Call) -> HttpReply:
    """Return a page of the list of models, without embedding models."""
    generating = [model for model in models if not model.capabilities.embedding]
    return server_reply.encode_models(generating, call)


ANTHROPIC_SERVER: Final = ServerProtocol(
    name=NAME,
    routes=(
        Route("POST", "/v1/messages", "generate"),
        Route("POST", "/v1/messages/count_tokens", "count_tokens"),
        Route("GET", "/v1/models/claude", "list_models", "claude"),
        Route("GET", "/v1/models", "list_models"),
        Route("GET", "/v1/models/{model...}", "get_model"),
    ),
    traits=ServerTraits(
        decodes_outlines=True,
        conversation_hint=_conversation_hint,
        needs_translation=server_scan.needs_translation,
        calls_without_reasoning=server_history.calls_without_reasoning,
        as_functions=function_forms.as_functions,
        stored_responses=StoredResponses(
            previous_id=threads.previous_id,
            wants_store=threads.wants_store,
            expand=threads.expand,
            items_to_store=threads.items_to_store,
            reference=threads.REFERENCE,
            missing_code=threads.NOT_FOUND,
            only_known=True,
            restarts=True,
            quirk="message_threads",
        ),
    ),
    keepalive=PING,
    peek=_peek,
    decode=decode_request,
    with_model=with_model,
    encoder=stream_encoder,
    encode_response=server_reply.encode_response,
    encode_count=server_reply.encode_count,
    encode_models=_encode_models,
    encode_model=server_reply.encode_model,
    encode_error=server_reply.encode_error,
)

ANTHROPIC_CLIENT: Final = ClientProtocol(
    name=NAME,
    traits=Traits(
        family="claude",
        name_pattern=re.compile(r"[a-zA-Z0-9_-]{1,128}"),
        name_max=128,
        url_media=frozenset({"image", "document"}),
        media_in_tool_results=True,
        parallel_switch=True,
        max_stop=8191,
        max_choices=1,
        media=frozenset({"image", "document"}),
        media_types={
            "image": ("image/jpeg", "image/png", "image/gif", "image/webp"),
            "document": ("application/pdf", "text/"),
        },
        outputs=frozenset({"text"}),
        file_provider="anthropic",
        files=frozenset({"image", "document"}),
        attribution=True,
        top_schema=frozenset({"$ref", "oneOf", "anyOf", "allOf"}),
        whole_responses=True,
        moves_images=True,
        binding_controls=True,
    ),
    encode=client_request.encode_request,
    encode_count=client_request.encode_count,
    decoder=lambda request, target: AnthropicStreamDecoder(),
    make_tap=AnthropicTap,
    decode_usage=client_reply.decode_usage,
    decode_count=client_reply.decode_count,
    decode_models=decode_models,
    decode_error=errors.decode_error,
)
