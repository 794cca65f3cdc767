"""The two sides of chat completions, as the rest of the gateway sees them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from zope.interface import implementer

from antigravity.interfaces.protocols import (
    Encoded,
    IClientProtocol,
    IServerProtocol,
    IStreamDecoder,
    IStreamEncoder,
    ITap,
)
from antigravity.interfaces.server_traits import RequestedChoices, ServerTraits
from antigravity.ir.call import Call, Head, HttpReply, ReplyContext, Route, TokenCount
from antigravity.ir.capabilities import Model, Target, Traits
from antigravity.ir.errors import GatewayError, UpstreamError
from antigravity.ir.request import Request
from antigravity.ir.response import Response
from antigravity.ir.usage import Usage
from antigravity.protocols.conversation_hint import hint
from antigravity.protocols.json_body import members_of, peek, with_model
from antigravity.protocols.openai_chat import server_glance, server_reasoning
from antigravity.protocols.openai_chat.client_reply import decode_models, decode_usage
from antigravity.protocols.openai_chat.client_request import encode
from antigravity.protocols.openai_chat.client_stream import ChatStreamDecoder
from antigravity.protocols.openai_chat.client_tap import ChatTap
from antigravity.protocols.openai_chat.schema import NAME
from antigravity.protocols.openai_chat.server_reply import encode_response
from antigravity.protocols.openai_chat.server_request import decode
from antigravity.protocols.openai_chat.server_stream import ChatStreamEncoder
from antigravity.protocols.openai_errors import decode_error
from antigravity.protocols.openai_shapes import error_reply, json_reply, model_object
from antigravity.sse import KEEPALIVE_COMMENT


def _requested_choices(call: Call) -> RequestedChoices:
    """Return how many choices a request asks for."""
    return RequestedChoices(server_glance.choices(members_of(call)))


def _conversation_hint(call: Call) -> str | None:
    found = members_of(call)
    return hint(found, found.get("messages"))


@implementer(IServerProtocol)
class OpenAIChatServer:
    """Serves chat completions and OpenAI's list of models."""

    name = NAME
    routes = (
        Route("POST", "/v1/chat/completions", "generate"),
        Route("GET", "/v1/models", "list_models"),
        Route("GET", "/v1/models/{model...}", "get_model"),
    )
    keepalive = KEEPALIVE_COMMENT
    traits = ServerTraits(
        conversation_hint=_conversation_hint,
        drops_reasoning=True,
        needs_translation=server_glance.needs_translation,
        calls_without_reasoning=server_reasoning.calls_without_reasoning,
        requested_choices=_requested_choices,
    )

    def peek(self, call: Call) -> Head:
        """Return model and streaming switch of a call."""
        return peek(call.body, members_of(call))

    def decode(self, call: Call) -> Request:
        """Return the request in a call."""
        return decode(call)

    def with_model(self, call: Call, model: str) -> bytes:
        """Return the call's body for another model, otherwise byte for byte as it came."""
        return with_model(call, model)

    def encoder(self, context: ReplyContext) -> IStreamEncoder:
        """Return an encoder for one streamed reply."""
        return ChatStreamEncoder(context)

    def encode_response(self, response: Response, context: ReplyContext) -> HttpReply:
        """Return the reply to a call that does not stream."""
        return encode_response(response, context)

    def encode_count(self, count: TokenCount, call: Call) -> HttpReply:
        """Return a count of tokens; no route of this protocol asks for one."""
        return json_reply({"input_tokens": count.input_tokens})

    def encode_models(self, models: Sequence[Model], call: Call) -> HttpReply:
        """Return the list of models."""
        return json_reply({"object": "list", "data": [model_object(model) for model in models]})

    def encode_model(self, model: Model, call: Call) -> HttpReply:
        """Return one model."""
        return json_reply(model_object(model))

    def encode_error(self, error: GatewayError, request_id: str) -> HttpReply:
        """Return the error in OpenAI's shape."""
        return error_reply(error)


@implementer(IClientProtocol)
class OpenAIChatClient:
    """Asks upstreams that speak chat completions."""

    name = NAME
    traits = Traits(
        family="openai",
        # OpenAI takes custom tools here, but few of the many compatible servers do.
        custom_tools=False,
        system_turns=True,
        url_media=frozenset({"image"}),
        max_choices=128,
        outputs=frozenset({"text", "image", "audio"}),
        names=True,
        file_provider="openai",
        files=frozenset({"document"}),
        id_max=40,
        strict="openai",
        top_schema=frozenset({"$ref", "oneOf", "anyOf", "allOf", "enum", "not"}),
    )

    def encode(self, request: Request, target: Target) -> Encoded:
        """Return the request as a streaming one."""
        return encode(request, target)

    def encode_count(self, request: Request, target: Target) -> Encoded | None:
        """Return ``None``: this protocol can't count tokens."""
        return None

    def decoder(self, request: Request, target: Target) -> IStreamDecoder:
        """Return a decoder for the streamed answer to ``request``."""
        return ChatStreamDecoder(request)

    def tap(self) -> ITap:
        """Return a tap for one stream that is passed through."""
        return ChatTap()

    def decode_usage(self, body: bytes) -> Usage | None:
        """Return the usage in a whole JSON answer, if it has one."""
        return decode_usage(body)

    def decode_count(self, body: bytes) -> int:
        """Fail: this protocol can't count tokens."""
        raise UpstreamError("Chat completions upstreams can't count tokens.")

    def decode_models(self, body: bytes) -> Sequence[Model]:
        """Return the models in the upstream's list."""
        return decode_models(body)

    def decode_error(self, status: int, headers: Mapping[str, str], body: bytes) -> GatewayError:
        """Return the error in an answer with a status of 400 or more."""
        return decode_error(status, headers, body)
