"""The endpoints of Anthropic: keys, messages and token counts."""

from __future__ import annotations

from typing import Any

from twisted.web.server import Request

from antigravity.simulator import wire_formats
from antigravity.simulator.errors import ApiError, anthropic_error
from antigravity.simulator.parsers import anthropic as anthropic_parser
from antigravity.simulator.request_handler import RequestHandler, bearer
from antigravity.simulator.responder import Responder, Result
from antigravity.simulator.state import State, check_key
from antigravity.simulator.validation import anthropic as anthropic_validation


def check_anthropic_key(headers: dict[str, str], version: bool = True) -> str:
    """Return the API key of a request.

    :raises ApiError: with the service's message, if anything is wrong.
    """
    key = headers.get("x-api-key") or bearer(headers)
    if not key:
        raise ApiError(401, "x-api-key header is required")
    if key.startswith("bad-"):
        raise ApiError(401, "invalid x-api-key")
    check_key(key)
    if version and "anthropic-version" not in headers:
        raise ApiError(400, "anthropic-version: header is required")
    return key


class AnthropicApi:
    """The Messages API; compatible services need no ``version`` header."""

    def __init__(self, state: State, handler: RequestHandler, responder: Responder) -> None:
        self._state = state
        self._handler = handler
        self._responder = responder

    def message(self, request: Request, version: bool = True) -> Result:
        """Respond to a message."""

        def endpoint(headers: dict[str, str], body: dict[str, Any]) -> Result:
            key = check_anthropic_key(headers, version)
            body = anthropic_validation.check(body)
            view = anthropic_parser.parse(body)
            return self._responder.respond(
                request,
                wire_formats.ANTHROPIC,
                view,
                bool(body.get("stream")),
                key,
                (("request-id", f"req_sim{self._state.next_number():08d}"),),
            )

        return self._handler.serve(request, anthropic_error, endpoint)

    def count(self, request: Request, version: bool = True) -> Result:
        """Count the tokens of a message."""

        def endpoint(headers: dict[str, str], body: dict[str, Any]) -> dict[str, Any]:
            check_anthropic_key(headers, version)
            counted = anthropic_parser.parse(anthropic_validation.check_count(body))
            return {"input_tokens": counted.count_tokens()}

        return self._handler.serve(request, anthropic_error, endpoint)
