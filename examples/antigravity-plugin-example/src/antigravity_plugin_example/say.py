"""A protocol: the body is the prompt, the path names the model, the response is plain text."""

from __future__ import annotations

from antigravity.ir.call import Call, Head, HttpReply, ReplyContext, Route
from antigravity.ir.errors import GatewayError, InvalidRequestError
from antigravity.ir.events import TextDelta
from antigravity.ir.parts import Text
from antigravity.ir.request import Message, Request
from antigravity.ir.response import Response
from antigravity.protocols.event_sequencer import OrderedEvent
from antigravity.protocols.replies import retry_headers
from antigravity.protocols.server_protocol import ServerProtocol
from antigravity.protocols.stream_encoder import StreamEncoder

PLAIN = "text/plain; charset=utf-8"


class SayEncoder(StreamEncoder):
    """Encodes only the text of a response."""

    content_type = PLAIN
    keepalive_bytes = b""

    def write(self, event: OrderedEvent) -> bytes:
        return event.text.encode() if isinstance(event, TextDelta) else b""

    def complete(self) -> bytes:
        return b"\n"

    def fail(self, error: GatewayError) -> bytes:
        return f"\n[{error.message}]\n".encode()


def peek(call: Call) -> Head:
    return Head(call.arguments["model"], "stream" in call.query)


def decode(call: Call) -> Request:
    try:
        prompt = call.body.decode()
    except UnicodeDecodeError as error:
        raise InvalidRequestError("The prompt is not UTF-8 text.", param="body") from error
    if not prompt.strip():
        raise InvalidRequestError("The prompt is empty; send it as the body.", param="body")
    head = peek(call)
    message = Message("user", (Text(prompt),))
    return Request(head.model, (message,), "say", stream=head.stream)


def encode_response(response: Response, context: ReplyContext) -> HttpReply:
    return HttpReply(200, f"{response.choices[0].text}\n".encode(), PLAIN)


def encode_error(error: GatewayError, request_id: str) -> HttpReply:
    return HttpReply(error.status, f"{error.message}\n".encode(), PLAIN, retry_headers(error))


SAY = ServerProtocol(
    name="say",
    routes=(Route("POST", "/say/{model...}", "generate"),),
    peek=peek,
    decode=decode,
    encoder=lambda context: SayEncoder(),
    encode_response=encode_response,
    encode_error=encode_error,
)
