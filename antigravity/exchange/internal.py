"""Requests that the gateway makes itself, on the way that clients' requests take."""

from __future__ import annotations

from typing import Final

from antigravity.ir.call import Call, Head, HttpReply, ReplyContext
from antigravity.ir.request import Request
from antigravity.ir.response import Response

#: What stands for the client's protocol in records.
PROTOCOL: Final = "internal"


class InternalProtocol:
    """Stands in for a client's protocol: its request is there already, its answer is plain text.

    No upstream speaks it, so it is always translated; it is only asked for whole answers.
    """

    name = PROTOCOL
    keepalive = b""

    def __init__(self, model: str, request: Request) -> None:
        self._model = model
        self._request = request

    def peek(self, call: Call) -> Head:
        """Return the model that is to answer."""
        return Head(self._model, False)

    def decode(self, call: Call) -> Request:
        """Return the request."""
        return self._request

    def encode_response(self, response: Response, context: ReplyContext) -> HttpReply:
        """Return the text of the answer."""
        return HttpReply(200, response.choices[0].text.encode(), "text/plain")
