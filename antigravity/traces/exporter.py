"""The export of spans over OTLP/HTTP, in a thread of the SDK's."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from typing import Final

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from antigravity.ir.record import ExchangeRecord
from antigravity.traces.tracer import Tracer

#: The packages whose messages are passed on.
_LOGGER: Final = "opentelemetry"

Report = Callable[[str], object]


class TraceExport:
    """A tracer whose spans are exported to a collector.

    Its thread is the SDK's.  What the parameters leave open, the variables of OpenTelemetry decide,
    such as ``OTEL_EXPORTER_OTLP_ENDPOINT`` and ``OTEL_BSP_SCHEDULE_DELAY``.

    :param endpoint: the address of the collector with its path; empty: by the environment.
    :param headers: headers for the collector, which may be secret.
    :param report: called with each message of the SDK, in any thread.
    :raises ValueError: if a variable of OpenTelemetry has an invalid value.
    """

    def __init__(
        self,
        report: Report,
        *,
        endpoint: str = "",
        headers: Mapping[str, str] | None = None,
        ratio: float = 1.0,
        service_name: str = "",
        propagates: bool = True,
    ) -> None:
        self._exporter = OTLPSpanExporter(endpoint or None, headers=headers or None)
        self._processor = BatchSpanProcessor(self._exporter)
        self._messages = _Messages(report)
        logging.getLogger(_LOGGER).addHandler(self._messages)
        self.tracer = Tracer(
            self._processor, ratio=ratio, service_name=service_name, propagates=propagates
        )

    def add(self, record: ExchangeRecord) -> None:
        """Export a finished exchange soon."""
        self.tracer.export(record)

    def close(self, done: Callable[[], object]) -> None:
        """Export what waits, and end the thread.

        That can take as long as the collector lets it, so it happens in a thread that does not
        keep the process alive.

        :param done: called in that thread at the end.
        """

        def shut_down() -> None:
            try:
                self._processor.shutdown()
            finally:
                logging.getLogger(_LOGGER).removeHandler(self._messages)
                done()

        threading.Thread(target=shut_down, name="traces-shutdown", daemon=True).start()

    def give_up(self) -> None:
        """End the export that :meth:`close` waits for, without another try."""
        self._exporter.shutdown()


class _Messages(logging.Handler):
    """Passes warnings and errors of the SDK on."""

    def __init__(self, report: Report) -> None:
        super().__init__(logging.WARNING)
        self._report = report

    def emit(self, record: logging.LogRecord) -> None:
        """Pass one message on."""
        self._report(record.getMessage())
