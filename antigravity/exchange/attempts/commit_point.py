"""Wait until an answer has really begun: the point up to which an attempt may fail."""

from __future__ import annotations

from collections.abc import Callable

from antigravity.exchange.context import RequestContext
from antigravity.exchange.streams.pump import Pump
from antigravity.exchange.streams.translated import Translator, empty_response_error
from antigravity.interfaces.transport import IIncomingResponse
from antigravity.ir.errors import GatewayError


async def begin(
    context: RequestContext,
    translator: Translator,
    response: IIncomingResponse,
    finished: Callable[[GatewayError | None], None] | None = None,
    *,
    abort_on_error: bool = False,
) -> Pump:
    """Return the pump of an answer that has begun, its upstream paused.

    A translator that is never ``meaningful`` is waited for until its end.  ``finished`` is
    called when a begun stream has ended.  ``abort_on_error`` says that a stream which fails must
    break the client's off, too.

    :raises GatewayError: if the answer failed, or ended without saying anything.
    """
    began = False

    def ended(error: GatewayError | None) -> None:
        if began:
            context.settle_lease(error)
            context.recorder.end(error, translator.usage)
            if finished is not None:
                finished(error)

    pump = Pump(
        translator,
        context.services.clock,
        context.snapshot.settings.proxy.keepalive_interval,
        ended,
        abort_on_error=abort_on_error,
    )
    response.deliver(pump)
    await pump.begun
    if not translator.meaningful:
        if pump.error is not None:
            raise pump.error
        if context.head.stream or abort_on_error:
            raise empty_response_error()
    began = True
    context.recorder.first_byte()
    return pump
