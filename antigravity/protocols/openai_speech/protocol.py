"""The server protocol of OpenAI's speech."""

from __future__ import annotations

from typing import Final

from antigravity.interfaces.server_traits import RequiredModalities, ServerTraits
from antigravity.ir.call import Body, Call, Head, HttpReply, ReplyContext, Route
from antigravity.ir.errors import UpstreamError
from antigravity.ir.parts import Text
from antigravity.ir.request import Message, Request
from antigravity.ir.response import Response
from antigravity.protocols.json_body import peek_optional, replace_model
from antigravity.protocols.openai_shapes import encode_error
from antigravity.protocols.openai_speech.mp3 import available
from antigravity.protocols.openai_speech.schema import SPEECH, check, options_of, parse_call
from antigravity.protocols.openai_speech.stream import SpeechStreamEncoder
from antigravity.protocols.server_protocol import ServerProtocol


def _peek(call: Call) -> Head:
    """Return the model; the response always streams."""
    return Head(peek_optional(call).model, True)


def _decode(call: Call) -> Request:
    parsed = parse_call(call)
    check(parsed, ("mp3", "wav", "pcm") if available() else ("wav", "pcm"))
    return Request(
        parsed.body.model or "",
        (Message("user", (Text(parsed.body.input),)),),
        SPEECH,
        stream=True,
        modalities=("audio",),
        speech=options_of(parsed.body),
        extensions=parsed.unknown,
    )


def _with_model(call: Call, model: str) -> Body:
    return replace_model(call.body, model)


def _encode_response(response: Response, context: ReplyContext) -> HttpReply:
    """Refuse: speech is always streamed."""
    raise UpstreamError("Speech is always streamed.")


OPENAI_SPEECH_SERVER: Final = ServerProtocol(
    name=SPEECH,
    routes=(Route("POST", "/v1/audio/speech", "generate"),),
    traits=ServerTraits(
        required_modalities=RequiredModalities(output="audio"), can_respond_with_files=True
    ),
    peek=_peek,
    decode=_decode,
    with_model=_with_model,
    encoder=SpeechStreamEncoder,
    encode_response=_encode_response,
    encode_error=encode_error,
)
