"""Legacy completions, as the rest of the gateway sees them."""

from __future__ import annotations

from collections.abc import Sequence

from zope.interface import implementer

from antigravity.interfaces.protocols import IServerProtocol, IStreamEncoder
from antigravity.interfaces.server_traits import ServerTraits
from antigravity.ir.call import Call, Head, HttpReply, ReplyContext, Route, TokenCount
from antigravity.ir.capabilities import Model
from antigravity.ir.errors import GatewayError
from antigravity.ir.request import Request
from antigravity.ir.response import Response
from antigravity.protocols.conversation_hint import hint
from antigravity.protocols.json_body import members_of, peek, replace_model
from antigravity.protocols.openai_completions import request as request_of
from antigravity.protocols.openai_completions.reply import encode_response
from antigravity.protocols.openai_completions.request import NAME
from antigravity.protocols.openai_completions.stream import CompletionStreamEncoder
from antigravity.protocols.openai_shapes import error_reply, json_reply, model_object
from antigravity.sse import KEEPALIVE_COMMENT


def _conversation_hint(call: Call) -> str | None:
    found = members_of(call)
    return hint(found, found.get("prompt"), default_role="user")


@implementer(IServerProtocol)
class OpenAICompletionsServer:
    """Serves legacy completions."""

    name = NAME
    routes = (Route("POST", "/v1/completions", "generate"),)
    keepalive = KEEPALIVE_COMMENT
    traits = ServerTraits(
        conversation_hint=_conversation_hint,
        requested_choices=request_of.requested_choices,
        split_prompts=request_of.split_prompts,
        native_only_error=request_of.native_only_error,
    )

    def peek(self, call: Call) -> Head:
        """Return model and streaming switch of a call."""
        return peek(call.body)

    def decode(self, call: Call) -> Request:
        """Return the request in a call."""
        return request_of.decode(call)

    def with_model(self, call: Call, model: str) -> bytes:
        """Return the call's body for another model, otherwise byte for byte as it came."""
        return replace_model(call.body, model)

    def encoder(self, context: ReplyContext) -> IStreamEncoder:
        """Return an encoder for one streamed reply."""
        return CompletionStreamEncoder(context)

    def encode_response(self, response: Response, context: ReplyContext) -> HttpReply:
        """Return the reply to a call that does not stream."""
        return encode_response(response, context)

    def encode_count(self, count: TokenCount, call: Call) -> HttpReply:
        """Return a count of tokens; no route of this protocol asks for one."""
        return json_reply({"input_tokens": count.input_tokens})

    def encode_models(self, models: Sequence[Model], call: Call) -> HttpReply:
        """Return the list of models; the route belongs to chat completions."""
        return json_reply({"object": "list", "data": [model_object(model) for model in models]})

    def encode_model(self, model: Model, call: Call) -> HttpReply:
        """Return one model."""
        return json_reply(model_object(model))

    def encode_error(self, error: GatewayError, request_id: str) -> HttpReply:
        """Return the error in OpenAI's shape."""
        return error_reply(error)
