"""The server protocols of OpenAI's images."""

from __future__ import annotations

from typing import Final

from antigravity.interfaces.server_traits import RequiredModalities, ServerTraits
from antigravity.ir.call import Body, Call, Head, ReplyContext, Route
from antigravity.ir.request import Request
from antigravity.protocols.json_body import peek_optional, replace_model
from antigravity.protocols.multipart import is_form, peek_form, read_form
from antigravity.protocols.openai_images.call_parser import parse_call
from antigravity.protocols.openai_images.reply import encode_response
from antigravity.protocols.openai_images.request import decode
from antigravity.protocols.openai_images.schema import EDITS, GENERATIONS
from antigravity.protocols.openai_images.stream import ImagesStreamEncoder
from antigravity.protocols.openai_shapes import encode_error
from antigravity.protocols.server_protocol import ServerProtocol
from antigravity.sse import KEEPALIVE_COMMENT


def _peek(call: Call) -> Head:
    """Return model and streaming switch; the model is optional."""
    return peek_form(call) if is_form(call.headers) else peek_optional(call)


def _with_model(call: Call, model: str) -> Body:
    if is_form(call.headers):
        return read_form(call).with_field("model", model)
    return replace_model(call.body, model)


def _server(name: str, path: str, events: str) -> ServerProtocol:
    """Return the protocol of one endpoint; ``events`` is the prefix of its event names."""

    def decode_call(call: Call) -> Request:
        return decode(call, parse_call(call).body.model or "", edit=name == EDITS)

    def encoder(context: ReplyContext) -> ImagesStreamEncoder:
        return ImagesStreamEncoder(context, events)

    return ServerProtocol(
        name=name,
        routes=(Route("POST", path, "generate"),),
        traits=ServerTraits(required_modalities=RequiredModalities(output="image")),
        keepalive=KEEPALIVE_COMMENT,
        peek=_peek,
        decode=decode_call,
        with_model=_with_model,
        encoder=encoder,
        encode_response=encode_response,
        encode_error=encode_error,
    )


OPENAI_IMAGES_SERVER: Final = _server(GENERATIONS, "/v1/images/generations", "image_generation")
OPENAI_IMAGE_EDITS_SERVER: Final = _server(EDITS, "/v1/images/edits", "image_edit")
