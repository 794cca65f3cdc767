"""A protocol: the prompt is the body, the model is in the path, the answer is plain text."""

from __future__ import annotations

import math

from zope.interface import implementer

from antigravity.interfaces.protocols import IStreamEncoder
from antigravity.ir.call import Call, Head, HttpReply, ReplyContext, Route
from antigravity.ir.errors import GatewayError, InvalidRequestError
from antigravity.ir.events import Event, Finish, StreamFailure, TextDelta
from antigravity.ir.parts import Text
from antigravity.ir.request import Message, Request
from antigravity.ir.response import Response
from antigravity.protocols.server_protocol import ServerProtocol

PLAIN = "text/plain; charset=utf-8"


@implementer(IStreamEncoder)
class SayEncoder:
    """Writes the text as it comes."""

    content_type = PLAIN

    def __init__(self) -> None:
        self._finished = False
        self._over = False

    def encode(self, event: Event) -> bytes:
        if self._over:
            return b""
        if isinstance(event, TextDelta):
            return event.text.encode()
        if isinstance(event, StreamFailure):
            self._over = True
            return f"\n[{event.error.message}]\n".encode()
        self._finished = self._finished or isinstance(event, Finish)
        return b""

    def keepalive(self) -> bytes:
        return b""

    def end(self) -> bytes:
        over, self._over = self._over, True
        if over:
            return b""
        return b"\n" if self._finished else b"\n[The answer is not complete.]\n"


def peek(call: Call) -> Head:
    return Head(call.arguments["model"], "stream" in call.query)


def decode(call: Call) -> Request:
    try:
        prompt = call.body.decode()
    except UnicodeDecodeError as error:
        raise InvalidRequestError("The prompt is not UTF-8 text.", param="body") from error
    if not prompt.strip():
        raise InvalidRequestError("The body is the prompt, and it is empty.", param="body")
    head = peek(call)
    message = Message("user", (Text(prompt),))
    return Request(head.model, (message,), "say", stream=head.stream)


def encode_response(response: Response, context: ReplyContext) -> HttpReply:
    return HttpReply(200, f"{response.choices[0].text}\n".encode(), PLAIN)


def encode_error(error: GatewayError, request_id: str) -> HttpReply:
    wait = error.retry_after
    headers = () if wait is None else (("Retry-After", str(math.ceil(wait))),)
    return HttpReply(error.status, f"{error.message}\n".encode(), PLAIN, headers)


SAY = ServerProtocol(
    name="say",
    routes=(Route("POST", "/say/{model...}", "generate"),),
    peek=peek,
    decode=decode,
    encoder=lambda context: SayEncoder(),
    encode_response=encode_response,
    encode_error=encode_error,
)
