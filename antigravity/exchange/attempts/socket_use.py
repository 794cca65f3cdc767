"""Send a request of a client's WebSocket over one to the upstream, if the upstream has that."""

from __future__ import annotations

from collections.abc import Callable

from msgspec.structs import replace

from antigravity.exchange.attempts.attempt import Attempt
from antigravity.exchange.context import RequestContext
from antigravity.interfaces.transport import SocketUse
from antigravity.interfaces.upstreams import ISocketUpstream
from antigravity.ir.call import Body, Call
from antigravity.routing.decision import RoutingOption


def has_sockets(option: RoutingOption) -> bool:
    """Return whether requests of the client's protocol go over WebSocket to an option."""
    upstream = option.upstream
    if not option.native or not ISocketUpstream.providedBy(upstream):
        return False
    return option.client.name in upstream.socket_protocols


async def socket_use(
    attempt: Attempt, change: Callable[[Call, bytes], bytes] | None
) -> SocketUse | None:
    """Return how the request of an attempt is sent over WebSocket; ``None``: it is not.

    ``change`` makes the changes to the client's body that the upstream needs.
    """
    context, option = attempt.context, attempt.option
    turn = context.call.turn
    if turn is None or not context.head.stream or not has_sockets(option):
        return None
    continuation: Body = b""
    if turn.continuation:
        continuation = await context.compute(_continuation, context, option.target.model, change)
    make_session = option.client.socket_session
    if make_session is None:
        return None
    key = f"{turn.owner.id} {attempt.lease.credential.id}"
    return SocketUse(key, turn, continuation, make_session)


def _continuation(
    context: RequestContext, model: str, change: Callable[[Call, bytes], bytes] | None
) -> Body:
    """Return the body that the client sent, with another model."""
    assert context.call.turn is not None
    own = replace(context.call, body=context.call.turn.continuation, memo={})
    body: Body = context.protocol.with_model(own, model)
    return change(own, body) if change is not None and isinstance(body, bytes) else body
