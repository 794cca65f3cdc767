"""OpenAI's speech, as the rest of the gateway sees it."""

from __future__ import annotations

from typing import ClassVar

from antigravity.interfaces.server_traits import RequiredModalities, ServerTraits
from antigravity.ir.call import Body, Call, Head, HttpReply, ReplyContext, Route
from antigravity.ir.errors import GatewayError, UpstreamError
from antigravity.ir.parts import Text
from antigravity.ir.request import Message, Request
from antigravity.ir.response import Response
from antigravity.protocols.answering import AnsweringProtocol
from antigravity.protocols.json_body import replace_model
from antigravity.protocols.openai_shapes import error_reply
from antigravity.protocols.openai_speech.mp3 import available
from antigravity.protocols.openai_speech.schema import SPEECH, asked, check, wish_of
from antigravity.protocols.openai_speech.stream import SpeechStreamEncoder


class OpenAISpeechServer(AnsweringProtocol):
    """Speaks a text."""

    name: ClassVar[str] = SPEECH
    routes: ClassVar[tuple[Route, ...]] = (Route("POST", "/v1/audio/speech", "generate"),)
    traits: ClassVar[ServerTraits] = ServerTraits(
        required_modalities=RequiredModalities(output="audio"), may_answer_with_files=True
    )

    def peek(self, call: Call) -> Head:
        """Return the model; the answer always comes as it is spoken."""
        return Head(asked(call).body.model or "", True)

    def decode(self, call: Call) -> Request:
        """Return the request in a call."""
        told = asked(call)
        check(told, ("mp3", "wav", "pcm") if available() else ("wav", "pcm"))
        return Request(
            told.body.model or "",
            (Message("user", (Text(told.body.input),)),),
            self.name,
            stream=True,
            modalities=("audio",),
            speech=wish_of(told.body),
            extensions=told.unknown,
        )

    def with_model(self, call: Call, model: str) -> Body:
        """Return the call's body for another model, otherwise byte for byte as it came."""
        return replace_model(call.body, model)

    def encoder(self, context: ReplyContext) -> SpeechStreamEncoder:
        """Return an encoder for one streamed reply."""
        return SpeechStreamEncoder(context)

    def encode_response(self, response: Response, context: ReplyContext) -> HttpReply:
        """Refuse: sound is never gathered."""
        raise UpstreamError("Speech is passed on as it comes, and not gathered.")

    def encode_error(self, error: GatewayError, request_id: str) -> HttpReply:
        """Return the error in OpenAI's shape."""
        return error_reply(error)
