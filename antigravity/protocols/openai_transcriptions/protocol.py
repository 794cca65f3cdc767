"""OpenAI's transcripts and translations, as the rest of the gateway sees them."""

from __future__ import annotations

from typing import ClassVar

from antigravity.interfaces.server_traits import RequiredModalities, ServerTraits
from antigravity.ir.call import Body, Call, Head, HttpReply, ReplyContext, Route
from antigravity.ir.errors import GatewayError
from antigravity.ir.request import Request
from antigravity.ir.response import Response
from antigravity.protocols.answering import AnsweringProtocol
from antigravity.protocols.multipart import read_form
from antigravity.protocols.openai_shapes import error_reply
from antigravity.protocols.openai_transcriptions.reading import asked
from antigravity.protocols.openai_transcriptions.reply import encode_response
from antigravity.protocols.openai_transcriptions.request import decode
from antigravity.protocols.openai_transcriptions.schema import TRANSCRIPTIONS, TRANSLATIONS
from antigravity.protocols.openai_transcriptions.stream import TranscriptStreamEncoder
from antigravity.sse import KEEPALIVE_COMMENT


class OpenAITranscriptionsServer(AnsweringProtocol):
    """Writes down what a recording says."""

    name: ClassVar[str] = TRANSCRIPTIONS
    routes: ClassVar[tuple[Route, ...]] = (Route("POST", "/v1/audio/transcriptions", "generate"),)
    traits: ClassVar[ServerTraits] = ServerTraits(
        required_modalities=RequiredModalities(input="audio"), may_answer_with_files=True
    )
    keepalive = KEEPALIVE_COMMENT

    def peek(self, call: Call) -> Head:
        """Return model and streaming switch; the model may be left to the gateway."""
        body = asked(call).body
        return Head(body.model or "", body.stream)

    def decode(self, call: Call) -> Request:
        """Return the request in a call."""
        return decode(call, self.name)

    def with_model(self, call: Call, model: str) -> Body:
        """Return the call's body for another model, otherwise byte for byte as it came."""
        return read_form(call).with_field("model", model)

    def encoder(self, context: ReplyContext) -> TranscriptStreamEncoder:
        """Return an encoder for one streamed reply."""
        return TranscriptStreamEncoder(context)

    def encode_response(self, response: Response, context: ReplyContext) -> HttpReply:
        """Return the reply to a call that does not stream."""
        return encode_response(response, context, self.name)

    def encode_error(self, error: GatewayError, request_id: str) -> HttpReply:
        """Return the error in OpenAI's shape."""
        return error_reply(error)


class OpenAITranslationsServer(OpenAITranscriptionsServer):
    """Writes down in English what a recording says."""

    name: ClassVar[str] = TRANSLATIONS
    routes: ClassVar[tuple[Route, ...]] = (Route("POST", "/v1/audio/translations", "generate"),)
