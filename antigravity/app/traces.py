"""Traces of a gateway: on or off by its configuration."""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from twisted.internet.defer import Deferred, DeferredLock, inlineCallbacks

from antigravity.config.trace_settings import TraceSettings
from antigravity.deferreds import call_in_thread
from antigravity.interfaces.traces import TraceSource
from antigravity.ir.record import ExchangeRecord
from antigravity.logs import make_logger

if TYPE_CHECKING:
    from antigravity.traces.exporter import TraceExport

#: Seconds in which the last spans are exported.
_CLOSE_TIMEOUT: Final = 3.0
#: The most messages of the SDK that are logged in so many seconds.
_MESSAGES: Final = 5
_INTERVAL: Final = 60.0


class GatewayTraces:
    """The traces that the settings want; the SDK is imported in a thread, and only for them.

    :ivar source: the tracer of new requests.
    """

    log = make_logger()

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor
        self._settings = TraceSettings()
        self._changing = DeferredLock()
        self._export: TraceExport | None = None
        self._messages: list[float] = []
        self.source = TraceSource()

    def use(self, settings: TraceSettings) -> Any:
        """Start, change or stop traces; the Deferred fires when that is done."""
        return self._changing.run(self._use, settings)

    def stop(self) -> Any:
        """Export what waits; the Deferred fires when that is done or takes too long."""
        return self._changing.run(self._use, TraceSettings())

    def add(self, record: ExchangeRecord) -> None:
        """Export a finished exchange, if it was traced."""
        if record.trace is not None and self._export is not None:
            self._export.add(record)

    @inlineCallbacks
    def _use(self, settings: TraceSettings) -> Any:
        if settings == self._settings:
            return
        before, self._export, self.source.tracer = self._export, None, None
        if before is not None:
            yield self._close(before)
        self._settings = TraceSettings()
        if not settings.enabled:
            return
        if os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
            self.log.info("traces are off: OTEL_SDK_DISABLED is true")
            return
        try:
            export = yield call_in_thread(self._reactor, self._build, settings)
        except Exception:  # noqa: BLE001 - the gateway serves without traces
            self.log.failure("traces are off: the OpenTelemetry SDK does not start")
            return
        self._settings, self._export, self.source.tracer = settings, export, export.tracer

    def _build(self, settings: TraceSettings) -> TraceExport:
        from antigravity.traces.exporter import TraceExport

        return TraceExport(
            partial(self._reactor.callFromThread, self._log),
            endpoint=settings.endpoint,
            headers={name: value.reveal() for name, value in settings.headers.items()},
            ratio=settings.sample_ratio,
            service_name=settings.service_name,
            propagates=settings.propagate,
        )

    def _close(self, export: TraceExport) -> Deferred[None]:
        """Return a Deferred that fires when the spans are exported, or it takes too long."""
        closed: Deferred[None] = Deferred()

        def done() -> None:
            if not closed.called:
                timer.cancel()
                closed.callback(None)

        def give_up() -> None:
            self.log.warn("the last traces are lost: the collector does not respond")
            closed.callback(None)
            export.give_up()

        timer = self._reactor.callLater(_CLOSE_TIMEOUT, give_up)
        export.close(partial(self._reactor.callFromThread, done))
        return closed

    def _log(self, message: str) -> None:
        """Log a message of the SDK, unless there were many."""
        now = self._reactor.seconds()
        self._messages = [each for each in self._messages if each > now - _INTERVAL]
        if len(self._messages) < _MESSAGES:
            self._messages.append(now)
            self.log.warn("traces: {message}", message=message)
