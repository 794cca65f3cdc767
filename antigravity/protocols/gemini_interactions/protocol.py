"""The Interactions API: the server side of the protocol."""

from __future__ import annotations

from typing import Final

from antigravity.interfaces.server_traits import Retrieval, ServerTraits, StoredResponses
from antigravity.ir.call import Call, Route
from antigravity.protocols.conversation_hint import conversation_key
from antigravity.protocols.gemini_interactions import (
    conversation,
    errors,
    server_request,
    server_scan,
    stored,
)
from antigravity.protocols.gemini_interactions.schema import NAME
from antigravity.protocols.gemini_interactions.server_stream import (
    InteractionStreamEncoder,
    encode_response,
)
from antigravity.protocols.json_body import members_of
from antigravity.protocols.server_protocol import ServerProtocol
from antigravity.sse import KEEPALIVE_COMMENT


def _routes(version: str) -> tuple[Route, ...]:
    """Return the routes of one version of the API."""
    path = f"{version}/interactions"
    return (
        Route("POST", path, "generate"),
        Route("GET", f"{path}/{{id}}", "stored", "retrieve"),
        Route("DELETE", f"{path}/{{id}}", "stored", "delete"),
        Route("POST", f"{path}/{{id}}/cancel", "stored", "cancel"),
        Route("POST", f"{path}/{{id}}:cancel", "stored", "cancel"),
    )


def _conversation_hint(call: Call) -> str | None:
    members = members_of(call)
    return conversation_key(members, conversation.first_turn(members.get("input")))


GEMINI_INTERACTIONS_SERVER: Final = ServerProtocol(
    name=NAME,
    routes=(*_routes("/v1beta"), *_routes("/v1")),
    traits=ServerTraits(
        conversation_hint=_conversation_hint,
        needs_translation=server_scan.needs_translation,
        native_only_error=server_request.native_only_error,
        stored_responses=StoredResponses(
            previous_id=lambda call: conversation.previous_id(call.body),
            wants_store=lambda call: conversation.wants_store(call.body),
            expand=conversation.expand,
            items_to_store=conversation.items_to_store,
            retrieval=Retrieval(stored.encode, stored.not_found),
            reference="previous_interaction_id",
            only_known=True,
            missing_code="previous_interaction_not_found",
        ),
    ),
    keepalive=KEEPALIVE_COMMENT,
    peek=server_request.peek,
    decode=server_request.decode,
    with_model=server_request.with_model,
    encoder=InteractionStreamEncoder,
    encode_response=encode_response,
    encode_error=errors.error_reply,
)
