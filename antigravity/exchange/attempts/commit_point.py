"""Wait until a response has really begun: the point up to which an attempt may fail."""

from __future__ import annotations

from collections.abc import Callable

from antigravity.exchange.context import RequestContext
from antigravity.exchange.streams.other_form import FormDetectingStream
from antigravity.exchange.streams.pump import Pump
from antigravity.exchange.streams.translated import Translator
from antigravity.exchange.usage_so_far import usage_so_far
from antigravity.interfaces.transport import IIncomingResponse
from antigravity.ir.errors import GatewayError, empty_response_error


async def begin(
    context: RequestContext,
    translator: Translator,
    response: IIncomingResponse,
    settle: Callable[[GatewayError | None], None],
    completed: Callable[[], None] | None = None,
    *,
    abort_on_error: bool = False,
) -> Pump:
    """Return the pump of a response that has begun, its upstream paused.

    A translator that is never ``meaningful`` is waited for until its end.  When a stream that has
    begun ends, ``settle`` is called with its error, and ``completed`` if there was none.
    ``abort_on_error`` says that a stream which fails must break the client's off, too.

    :raises GatewayError: if the response failed, or ended without content.
    """
    began, recorder = False, context.recorder

    def ended(error: GatewayError | None) -> None:
        if began:
            recorder.translated(pump.spent)
            settle(error)
            if error is None:
                recorder.end(None, translator.usage)
            else:
                usage, is_estimate = usage_so_far(context, translator)
                recorder.end(error, usage, is_estimate=is_estimate)
            if error is None and completed is not None:
                completed()

    pump = Pump(
        translator,
        context.services.clock,
        context.snapshot.settings.proxy.keepalive_interval,
        ended,
        abort_on_error=abort_on_error,
    )
    recorder.enter("upstream")
    try:
        response.deliver(pump)
        await pump.begun
    finally:
        recorder.enter("translation")
    recorder.translated(pump.take_spent())
    if not translator.meaningful:
        if pump.error is not None:
            raise pump.error
        if abort_on_error or context.head.stream:
            raise empty_response_error()
    if isinstance(translator, FormDetectingStream):
        pump.translator = translator.inner  # the form is known
    began = True
    recorder.first_byte()
    return pump
