"""The server protocols of OpenAI's transcriptions and translations."""

from __future__ import annotations

from typing import Final

from antigravity.interfaces.server_traits import RequiredModalities, ServerTraits
from antigravity.ir.call import Body, Call, HttpReply, ReplyContext, Route
from antigravity.ir.request import Request
from antigravity.ir.response import Response
from antigravity.protocols.multipart import peek_form, read_form
from antigravity.protocols.openai_shapes import encode_error
from antigravity.protocols.openai_transcriptions.reply import encode_response
from antigravity.protocols.openai_transcriptions.request import decode
from antigravity.protocols.openai_transcriptions.schema import TRANSCRIPTIONS, TRANSLATIONS
from antigravity.protocols.openai_transcriptions.stream import TranscriptStreamEncoder
from antigravity.protocols.server_protocol import ServerProtocol
from antigravity.sse import KEEPALIVE_COMMENT


def _with_model(call: Call, model: str) -> Body:
    return read_form(call).with_field("model", model)


def _server(name: str, path: str) -> ServerProtocol:
    """Return the protocol of one endpoint."""

    def decode_call(call: Call) -> Request:
        return decode(call, name)

    def encode(response: Response, context: ReplyContext) -> HttpReply:
        return encode_response(response, context, name)

    return ServerProtocol(
        name=name,
        routes=(Route("POST", path, "generate"),),
        traits=ServerTraits(
            required_modalities=RequiredModalities(input="audio"), can_respond_with_files=True
        ),
        keepalive=KEEPALIVE_COMMENT,
        peek=peek_form,
        decode=decode_call,
        with_model=_with_model,
        encoder=TranscriptStreamEncoder,
        encode_response=encode,
        encode_error=encode_error,
    )


OPENAI_TRANSCRIPTIONS_SERVER: Final = _server(TRANSCRIPTIONS, "/v1/audio/transcriptions")
OPENAI_TRANSLATIONS_SERVER: Final = _server(TRANSLATIONS, "/v1/audio/translations")
