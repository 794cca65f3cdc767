"""The two objects that stand for the protocol: as a server of it, and as a client of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from zope.interface import implementer

from antigravity.interfaces.protocols import (
    Encoded,
    IClientProtocol,
    IServerProtocol,
)
from antigravity.interfaces.server_traits import ServerTraits, StoredResponses
from antigravity.ir.call import Call, Head, HttpReply, ReplyContext, Route, TokenCount
from antigravity.ir.capabilities import Model, Target, Traits
from antigravity.ir.errors import GatewayError
from antigravity.ir.request import Request
from antigravity.ir.response import Response
from antigravity.ir.usage import Usage
from antigravity.protocols.conversation_hint import hint
from antigravity.protocols.json_body import members_of, peek, with_model
from antigravity.protocols.openai_responses import (
    client_reply,
    client_request,
    conversation,
    server_glance,
    server_request,
    stored,
)
from antigravity.protocols.openai_responses.client_content import AUDIO_FORMATS
from antigravity.protocols.openai_responses.client_stream import ResponsesDecoder
from antigravity.protocols.openai_responses.encrypted import FAMILY
from antigravity.protocols.openai_responses.schema import NAME
from antigravity.protocols.openai_responses.server_stream import ResponsesEncoder, encode_response
from antigravity.protocols.openai_responses.tap import ResponsesTap
from antigravity.protocols.openai_shapes import error_reply, json_reply, model_object
from antigravity.sse import KEEPALIVE_COMMENT

ROUTES: Final = (
    Route("POST", "/v1/responses", "generate"),
    Route("POST", "/v1/responses/input_tokens", "count_tokens"),
    Route("GET", "/v1/responses/{id}", "stored", "retrieve"),
    Route("DELETE", "/v1/responses/{id}", "stored", "delete"),
    Route("GET", "/v1/responses/{id}/input_items", "stored", "input_items"),
    Route("POST", "/v1/responses/{id}/cancel", "stored", "cancel"),
)
TRAITS: Final = Traits(
    family=FAMILY,
    custom_tools=True,
    namespaces=True,
    system_turns=True,
    url_media=frozenset(("image", "document")),
    media_in_tool_results=True,
    max_stop=0,
    max_choices=1,
    media=frozenset(("image", "document", "audio")),
    media_types={"audio": tuple(AUDIO_FORMATS)},
    outputs=frozenset(("text",)),
    file_provider="openai",
    files=frozenset(("image", "document")),
    cached_search=True,
    top_schema=frozenset({"$ref", "oneOf", "anyOf", "allOf", "enum", "not"}),
    id_max=64,
    strict="openai",
)


def _conversation_hint(call: Call) -> str | None:
    found = members_of(call)
    return hint(found, found.get("input"))


@implementer(IServerProtocol)
class OpenAIResponsesServer:
    """How to be a server of the protocol.  Every method is described by its interface."""

    name = NAME
    routes = ROUTES
    keepalive = KEEPALIVE_COMMENT
    traits = ServerTraits(
        conversation_hint=_conversation_hint,
        needs_translation=server_glance.needs_translation,
        native_only_error=server_request.native_only_error,
        stored_responses=StoredResponses(
            previous_id=conversation.previous_id,
            wants_store=conversation.wants_store,
            expand=conversation.expand,
            snapshot=conversation.snapshot,
            encode=stored.encode,
            not_found=stored.not_found,
        ),
    )

    def peek(self, call: Call) -> Head:
        """Return model and streaming switch."""
        return peek(call.body, members_of(call))

    def decode(self, call: Call) -> Request:
        """Return the request in a call."""
        return server_request.decode(call.body)

    def with_model(self, call: Call, model: str) -> bytes:
        """Return the call's body for another model."""
        return with_model(call, model)

    def encoder(self, context: ReplyContext) -> ResponsesEncoder:
        """Return an encoder for one streamed reply."""
        return ResponsesEncoder(context)

    def encode_response(self, response: Response, context: ReplyContext) -> HttpReply:
        """Return the reply to a call that does not stream."""
        return encode_response(response, context)

    def encode_count(self, count: TokenCount, call: Call) -> HttpReply:
        """Return a count."""
        fields = {"object": "response.input_tokens", "input_tokens": count.input_tokens}
        return json_reply(fields)

    def encode_models(self, models: Sequence[Model], call: Call) -> HttpReply:
        """Return the list of models."""
        data = [model_object(model) for model in models]
        return json_reply({"object": "list", "data": data})

    def encode_model(self, model: Model, call: Call) -> HttpReply:
        """Return one model."""
        return json_reply(model_object(model))

    def encode_error(self, error: GatewayError, request_id: str) -> HttpReply:
        """Return the error in OpenAI's shape."""
        return error_reply(error)


@implementer(IClientProtocol)
class OpenAIResponsesClient:
    """How to be a client of the protocol.  Every method is described by its interface."""

    name = NAME
    traits = TRAITS

    def encode(self, request: Request, target: Target) -> Encoded:
        """Return the request as a streaming one."""
        return client_request.encode(request, target)

    def encode_count(self, request: Request, target: Target) -> None:
        """Return nothing: OpenAI can count, most compatible servers can't."""

    def decoder(self, request: Request, target: Target) -> ResponsesDecoder:
        """Return a decoder for the streamed answer."""
        return ResponsesDecoder()

    def tap(self) -> ResponsesTap:
        """Return a tap for one stream that is passed through."""
        return ResponsesTap()

    def decode_usage(self, body: bytes) -> Usage | None:
        """Return the usage in a whole answer."""
        return client_reply.usage_of(body)

    def decode_count(self, body: bytes) -> int:
        """Return the tokens in a count."""
        return client_reply.decode_count(body)

    def decode_models(self, body: bytes) -> Sequence[Model]:
        """Return the models in the upstream's list."""
        return client_reply.decode_models(body)

    def decode_error(self, status: int, headers: Mapping[str, str], body: bytes) -> GatewayError:
        """Return the error in a refusing answer."""
        return client_reply.decode_error(status, headers, body)
