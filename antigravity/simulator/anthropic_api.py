"""The endpoints of Anthropic: keys, messages and token counts."""

from __future__ import annotations

from dataclasses import replace

from antigravity.simulator import wire_formats
from antigravity.simulator.errors import ApiError
from antigravity.simulator.parsers import anthropic as anthropic_parser
from antigravity.simulator.request_handler import Call, bearer
from antigravity.simulator.responder import Responder, Result
from antigravity.simulator.state import State, check_key
from antigravity.simulator.validation import anthropic as anthropic_validation
from antigravity.simulator.validation.anthropic_binding import check_binding


def check_anthropic_key(call: Call, version: bool = True) -> str:
    """Return the API key of a call.

    :param version: whether the ``version`` header is required; compatible services need none.

    :raises ApiError: with the service's message, if anything is wrong.
    """
    key = call.headers.get("x-api-key") or bearer(call.headers)
    if not key:
        raise ApiError(401, "x-api-key header is required")
    if key.startswith("bad-"):
        raise ApiError(401, "invalid x-api-key")
    check_key(key)
    if version and "anthropic-version" not in call.headers:
        raise ApiError(400, "anthropic-version: header is required")
    return key


class AnthropicApi:
    """The Messages API."""

    def __init__(self, state: State, responder: Responder) -> None:
        self._state = state
        self._responder = responder

    def message(self, call: Call) -> Result:
        """Respond to a message."""
        body = anthropic_validation.check(call.body, call.headers.get("anthropic-version", ""))
        binding = check_binding(body, call.headers.get("anthropic-beta", ""), call.key)
        view = replace(
            anthropic_parser.parse(body),
            bound=binding.signed,
            transformations=binding.transformations,
        )
        headers = (("request-id", f"req_sim{self._state.next_number():08d}"),)
        return self._responder.respond(
            call.request,
            wire_formats.ANTHROPIC,
            view,
            bool(body.get("stream")),
            call.key,
            headers,
        )

    def count(self, call: Call) -> dict[str, int]:
        """Count the tokens of a message."""
        version = call.headers.get("anthropic-version", "")
        body = anthropic_validation.check_count(call.body, version)
        check_binding(body, call.headers.get("anthropic-beta", ""), call.key)
        return {"input_tokens": anthropic_parser.parse(body).count_tokens()}
