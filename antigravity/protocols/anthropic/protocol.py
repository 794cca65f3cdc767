"""The Messages API, both sides of it: all that other rooms need to know."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from zope.interface import implementer

from antigravity.interfaces.protocols import (
    Encoded,
    IClientProtocol,
    IServerProtocol,
)
from antigravity.interfaces.server_traits import ServerTraits
from antigravity.ir.call import Call, Head, HttpReply, ReplyContext, Route, TokenCount
from antigravity.ir.capabilities import Model, Target, Traits
from antigravity.ir.errors import GatewayError
from antigravity.ir.request import Request
from antigravity.ir.response import Response
from antigravity.ir.usage import Usage
from antigravity.protocols.anthropic import (
    client_reply,
    client_request,
    errors,
    schema,
    server_glance,
    server_reasoning,
    server_reply,
)
from antigravity.protocols.anthropic.client_stream import AnthropicStreamDecoder
from antigravity.protocols.anthropic.client_tap import AnthropicTap
from antigravity.protocols.anthropic.reading import read, read_object, reject
from antigravity.protocols.anthropic.server_request import decode_request
from antigravity.protocols.anthropic.server_stream import PING, AnthropicStreamEncoder
from antigravity.protocols.conversation_hint import hint
from antigravity.protocols.json_body import beginning, members_of, with_model


def _conversation_hint(call: Call) -> str | None:
    found = members_of(call, read_object)
    return hint(found, found.get("messages"))


@implementer(IServerProtocol)
class AnthropicServer:
    """Serves Messages, token counts and models."""

    name = "anthropic"
    keepalive = PING
    traits = ServerTraits(
        conversation_hint=_conversation_hint,
        needs_translation=server_glance.needs_translation,
        calls_without_reasoning=server_reasoning.calls_without_reasoning,
    )
    routes = (
        Route("POST", "/v1/messages", "generate"),
        Route("POST", "/v1/messages/count_tokens", "count_tokens"),
        Route("GET", "/v1/models/claude", "list_models", "claude"),
        Route("GET", "/v1/models", "list_models"),
        Route("GET", "/v1/models/{model...}", "get_model"),
    )

    def peek(self, call: Call) -> Head:
        """Return model and streaming switch.

        :raises InvalidRequestError: if the body is no JSON object or names no model.
        """
        members = members_of(call, read_object)
        if "model" not in members:
            reject("$.model", "Field required")
        head = read(beginning(members), schema.Beginning, "$")
        if not head.model:
            reject("$.model", "String should have at least 1 character")
        return Head(head.model, bool(head.stream))

    def decode(self, call: Call) -> Request:
        """Return the request.

        :raises InvalidRequestError: naming the field at fault.
        """
        return decode_request(call)

    def with_model(self, call: Call, model: str) -> bytes:
        """Return the body for another model, otherwise byte for byte as it came."""
        return with_model(call, model)

    def encoder(self, context: ReplyContext) -> AnthropicStreamEncoder:
        """Return an encoder for one streamed reply."""
        return AnthropicStreamEncoder(context)

    def encode_response(self, response: Response, context: ReplyContext) -> HttpReply:
        """Return the reply to a call that does not stream."""
        return server_reply.encode_response(response, context)

    def encode_count(self, count: TokenCount, call: Call) -> HttpReply:
        """Return the reply to a ``count_tokens`` call."""
        return server_reply.encode_count(count, call)

    def encode_models(self, models: Sequence[Model], call: Call) -> HttpReply:
        """Return a page of the list of models, without those that only make vectors.

        :raises InvalidRequestError: if the call's cursor or limit makes no sense.
        """
        answering = [model for model in models if not model.capabilities.embedding]
        return server_reply.encode_models(answering, call)

    def encode_model(self, model: Model, call: Call) -> HttpReply:
        """Return one model."""
        return server_reply.encode_model(model, call)

    def encode_error(self, error: GatewayError, request_id: str) -> HttpReply:
        """Return the error."""
        return server_reply.encode_error(error, request_id)


@implementer(IClientProtocol)
class AnthropicClient:
    """Asks for Messages and token counts."""

    name = "anthropic"
    traits = Traits(
        family="claude",
        name_pattern=re.compile(r"[a-zA-Z0-9_-]{1,128}"),
        name_max=128,
        url_media=frozenset({"image", "document"}),
        media_in_tool_results=True,
        parallel_switch=True,
        max_stop=8191,
        max_choices=1,
        media=frozenset({"image", "document"}),
        media_types={"document": ("application/pdf", "text/")},
        outputs=frozenset({"text"}),
        file_provider="anthropic",
        files=frozenset({"image", "document"}),
        attribution=True,
        top_schema=frozenset({"$ref", "oneOf", "anyOf", "allOf"}),
    )

    def encode(self, request: Request, target: Target) -> Encoded:
        """Return the request as a streaming one."""
        return client_request.encode_request(request, target)

    def encode_count(self, request: Request, target: Target) -> Encoded:
        """Return a request to count tokens."""
        return client_request.encode_count(request, target)

    def decoder(self, request: Request, target: Target) -> AnthropicStreamDecoder:
        """Return a decoder for the streamed answer to ``request``."""
        return AnthropicStreamDecoder()

    def tap(self) -> AnthropicTap:
        """Return a tap for one stream that is passed through."""
        return AnthropicTap()

    def decode_usage(self, body: bytes) -> Usage | None:
        """Return the usage in a whole message, if it has one."""
        return client_reply.decode_usage(body)

    def decode_count(self, body: bytes) -> int:
        """Return the tokens in the answer to :meth:`encode_count`.

        :raises UpstreamError: if it holds none.
        """
        return client_reply.decode_count(body)

    def decode_models(self, body: bytes) -> Sequence[Model]:
        """Return the models in the upstream's list.

        :raises UpstreamError: if it is no list.
        """
        return client_reply.decode_models(body)

    def decode_error(self, status: int, headers: Mapping[str, str], body: bytes) -> GatewayError:
        """Return the error in an answer with a status of 400 or more."""
        return errors.decode_error(status, headers, body)
