"""Requests without output, which prepare the next request of a client's connection."""

from __future__ import annotations

from typing import Final

from antigravity.exchange.attempts.attempt import Attempt
from antigravity.exchange.attempts.loop import AttemptKind, AttemptLoop
from antigravity.exchange.attempts.native import attempt_native
from antigravity.exchange.attempts.pass_through import can_generate
from antigravity.exchange.attempts.socket_use import has_sockets
from antigravity.exchange.constraints import require_origin
from antigravity.exchange.context import RequestContext
from antigravity.exchange.plan import Plan
from antigravity.exchange.reply_context import reply_context
from antigravity.exchange.response_headers import PREWARM
from antigravity.interfaces.exchange import Reply
from antigravity.interfaces.transport import NO_SOCKET
from antigravity.ir.errors import NotFoundError, UnavailableError
from antigravity.ir.request import Request
from antigravity.ir.usage import Usage
from antigravity.routing.decision import RoutingOption


class _NotPassedError(Exception):
    """The request cannot be passed on over WebSocket, and must not be sent in any other way."""


async def serve_prewarm(context: RequestContext, plan: Plan) -> Reply:
    """Return an empty response: of the upstream if it speaks WebSocket, else of the gateway.

    :raises GatewayError: if the upstream fails, or the response that is continued is not found.
    """
    context.recorder.route(plan.decision)
    if context.continuation is not None:
        plan = require_origin(context, plan, context.continuation)
    options = tuple(filter(has_sockets, plan.options))
    if options:
        context.attempts.ended_empty = True  # an empty response is right
        try:
            return await AttemptLoop(context, plan.with_options(options), _PREWARM).run()
        except _NotPassedError:
            context.recorder.withdraw()
    return _empty_reply(context)


def _can_pass(context: RequestContext, option: RoutingOption) -> bool:
    return True


async def _send(attempt: Attempt) -> Reply:
    """Return the upstream's reply.

    :raises _NotPassedError: if there is no way to ask for it.
    """
    if not can_generate(attempt.context, attempt.option):
        raise _NotPassedError
    try:
        return await attempt_native(attempt)
    except UnavailableError as error:
        if error.code != NO_SOCKET:
            raise
        raise _NotPassedError from error


_PREWARM: Final = AttemptKind(_can_pass, _send, _send, fits=False)


def _empty_reply(context: RequestContext) -> Reply:
    """Return an empty response, and end the record.

    :raises GatewayError: if the protocol has none.
    """
    encode = context.traits.encode_prewarm
    if encode is None:
        raise NotFoundError("This protocol has no requests without output.")
    # The request itself need not be decoded.
    request = Request(context.head.model, (), context.protocol.name, stream=True)
    body = encode(reply_context(context, request))
    context.recorder.intercept(PREWARM)
    context.recorder.first_byte()
    context.recorder.end(None, Usage())
    return Reply(200, "text/event-stream", (), body)
