"""OpenAI's images, as the rest of the gateway sees them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from zope.interface import implementer

from antigravity.interfaces.protocols import IServerProtocol
from antigravity.interfaces.server_traits import RequiredModalities, ServerTraits
from antigravity.ir.call import Body, Call, Head, HttpReply, ReplyContext, Route, TokenCount
from antigravity.ir.capabilities import Model
from antigravity.ir.errors import GatewayError
from antigravity.ir.request import Request
from antigravity.ir.response import Response
from antigravity.protocols.json_body import replace_model
from antigravity.protocols.multipart import is_form, read_form
from antigravity.protocols.openai_images.reading import asked
from antigravity.protocols.openai_images.reply import encode_response
from antigravity.protocols.openai_images.request import decode
from antigravity.protocols.openai_images.schema import EDITS, GENERATIONS
from antigravity.protocols.openai_images.stream import ImagesStreamEncoder
from antigravity.protocols.openai_shapes import error_reply, json_reply, model_object
from antigravity.sse import KEEPALIVE_COMMENT


class _ImagesServer:
    """What both endpoints have in common."""

    name: ClassVar[str]
    events: ClassVar[str]
    traits = ServerTraits(required_modalities=RequiredModalities(output="image"))
    keepalive = KEEPALIVE_COMMENT

    def peek(self, call: Call) -> Head:
        """Return model and streaming switch; the model may be left to the gateway."""
        body = asked(call).body
        return Head(body.model or "", bool(body.stream))

    def decode(self, call: Call) -> Request:
        """Return the request in a call."""
        return decode(call, asked(call).body.model or "", edit=self.name == EDITS)

    def with_model(self, call: Call, model: str) -> Body:
        """Return the call's body for another model, otherwise byte for byte as it came."""
        if is_form(call.headers):
            return read_form(call).with_field("model", model)
        return replace_model(call.body, model)

    def encoder(self, context: ReplyContext) -> ImagesStreamEncoder:
        """Return an encoder for one streamed reply."""
        return ImagesStreamEncoder(context, self.events)

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


@implementer(IServerProtocol)
class OpenAIImagesServer(_ImagesServer):
    """Draws from words."""

    name = GENERATIONS
    events = "image_generation"
    routes = (Route("POST", "/v1/images/generations", "generate"),)


@implementer(IServerProtocol)
class OpenAIImageEditsServer(_ImagesServer):
    """Draws from images and words."""

    name = EDITS
    events = "image_edit"
    routes = (Route("POST", "/v1/images/edits", "generate"),)
