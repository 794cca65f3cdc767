"""The endpoints of Anthropic: keys, messages and token counts."""

from __future__ import annotations

from dataclasses import replace

from antigravity.simulator import wire_formats
from antigravity.simulator.encoders.anthropic import encode_response
from antigravity.simulator.encoders.events import Context
from antigravity.simulator.errors import ApiError
from antigravity.simulator.message_threads import MessageThreads
from antigravity.simulator.parsers import anthropic as anthropic_parser
from antigravity.simulator.request_handler import Call, bearer
from antigravity.simulator.responder import Responder, Result
from antigravity.simulator.script import Script
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
        self._threads = MessageThreads(state.seconds)

    def message(self, call: Call) -> Result:
        """Respond to a message."""
        betas = call.headers.get("anthropic-beta", "")
        body = self._threads.expand(call.body, betas, call.key)
        body = anthropic_validation.check(body, call.headers.get("anthropic-version", ""))
        binding = check_binding(body, betas, call.key)
        view = replace(
            anthropic_parser.parse(body),
            bound=binding.signed,
            transformations=binding.transformations,
        )
        headers = (("request-id", f"req_sim{self._state.next_number():08d}"),)

        def hold(script: Script, context: Context) -> None:
            if body.get("thread") is not None:
                made = encode_response(script, context)
                self._threads.put(made["id"], body, betas, call.key, made["content"])

        return self._responder.respond(
            call.request,
            wire_formats.ANTHROPIC,
            view,
            bool(body.get("stream")),
            call.key,
            headers,
            hold,
        )

    def count(self, call: Call) -> dict[str, int]:
        """Count the tokens of a message."""
        version, betas = (call.headers.get(f"anthropic-{name}", "") for name in ("version", "beta"))
        body = self._threads.expand(call.body, betas, call.key)
        body = anthropic_validation.check_count(body, version)
        check_binding(body, betas, call.key)
        return {"input_tokens": anthropic_parser.parse(body).count_tokens()}
