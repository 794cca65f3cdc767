"""The reply to a client that streams, made by several requests that run at the same time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from msgspec import Struct
from twisted.internet.defer import CancelledError, Deferred
from twisted.python.failure import Failure

from antigravity.exchange.context import RequestContext
from antigravity.exchange.fanout.gathered_stream import GatheredStream
from antigravity.exchange.response_headers import Headers
from antigravity.interfaces.exchange import Reply
from antigravity.interfaces.protocols import IStreamEncoder
from antigravity.ir.errors import CancelledByClientError, GatewayError
from antigravity.ir.events import StreamFailure
from antigravity.ir.usage import Usage
from antigravity.logs import make_logger

log = make_logger()

#: Writes to a stream, and says when it has begun; it ends when all is written.
Job = Callable[[GatheredStream, Callable[[], None]], Awaitable[None]]


class Told(Struct, frozen=True):
    """What can be told of a reply only once it has begun, or is over."""

    headers: Callable[[], Headers]
    usage: Callable[[], Usage]


async def gathered_reply(
    context: RequestContext, encoder: IStreamEncoder, job: Job, told: Told
) -> Reply:
    """Return the reply, once it has begun.  A client that leaves cancels ``job``.

    :raises GatewayError: if it failed before that.
    """
    running: Deferred[None] | None = None

    def cancel() -> None:
        if running is not None:
            running.cancel()

    interval = context.snapshot.settings.proxy.keepalive_interval
    stream = GatheredStream(context.services.clock, interval, encoder.keepalive, cancel)
    begun: Deferred[None] = Deferred(lambda _: cancel())

    def begin() -> None:
        if not begun.called:
            context.recorder.first_byte()
            begun.callback(None)

    def ended(outcome: Any) -> None:
        error = _error_of(context, outcome)
        if not begun.called:
            assert error is not None, "what ends well has begun"
            begun.errback(error)
            return
        context.recorder.end(error, told.usage())
        stream.write(encoder.encode(StreamFailure(error)) if error else encoder.end())
        stream.end()

    running = Deferred.fromCoroutine(_run(job, stream, begin))
    running.addBoth(ended)
    await begun
    return Reply(200, encoder.content_type, told.headers(), stream=stream)


async def _run(job: Job, stream: GatheredStream, begin: Callable[[], None]) -> None:
    await job(stream, begin)


def _error_of(context: RequestContext, outcome: object) -> GatewayError | None:
    """Return the error that ended everything, if one did; one of ours is logged."""
    if not isinstance(outcome, Failure):
        return None
    if outcome.check(CancelledError):
        return CancelledByClientError("The client went away.")
    if isinstance(outcome.value, GatewayError):
        return outcome.value
    log.failure("{id}: a stream broke", outcome, id=context.call.request_id)
    return GatewayError("The gateway failed; its log says why.")
