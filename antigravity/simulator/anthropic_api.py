"""Anthropic's side of the simulator: keys, messages and counts."""

from __future__ import annotations

from typing import Any

from twisted.web.server import Request

from antigravity.simulator import wire_formats
from antigravity.simulator.errors import ApiError, anthropic_error
from antigravity.simulator.parsers import anthropic as read_anthropic
from antigravity.simulator.request_handler import Intake, bearer
from antigravity.simulator.responder import Responder, Result
from antigravity.simulator.state import State, check_key
from antigravity.simulator.validation import anthropic as strict_anthropic


def check_anthropic_key(headers: dict[str, str], version: bool = True) -> str:
    """Return the key; refuse a missing or bad one, and a request without a version.

    :raises ApiError: as the service words it.
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
    """Answers as Anthropic does; compatible services need no ``version`` header."""

    def __init__(self, state: State, intake: Intake, exchange: Responder) -> None:
        self._state = state
        self._intake = intake
        self._exchange = exchange

    def message(self, request: Request, version: bool = True) -> Result:
        """Answer a message."""

        def work(headers: dict[str, str], body: dict[str, Any]) -> Result:
            key = check_anthropic_key(headers, version)
            body = strict_anthropic.check(body)
            view = read_anthropic.read(body)
            return self._exchange.run(
                request,
                wire_formats.ANTHROPIC,
                view,
                bool(body.get("stream")),
                key,
                (("request-id", f"req_sim{self._state.next_number():08d}"),),
            )

        return self._intake.serve(request, anthropic_error, work)

    def count(self, request: Request, version: bool = True) -> Result:
        """Count the tokens of a message."""

        def work(headers: dict[str, str], body: dict[str, Any]) -> dict[str, Any]:
            check_anthropic_key(headers, version)
            counted = read_anthropic.read(strict_anthropic.check_count(body))
            return {"input_tokens": counted.count_tokens()}

        return self._intake.serve(request, anthropic_error, work)
