"""Traces by the SDK of OpenTelemetry.  Only this module imports it, which takes a while."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Final

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.id_generator import IdGenerator, RandomIdGenerator
from opentelemetry.sdk.trace.sampling import ALWAYS_ON, ParentBased, TraceIdRatioBased
from opentelemetry.trace import (
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    TraceState,
    get_current_span,
    set_span_in_context,
)
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from zope.interface import implementer

from antigravity.interfaces.traces import ITracer
from antigravity.ir.record import ExchangeRecord, TraceContext
from antigravity.traces.spans import SpanData, spans_of
from antigravity.version import VERSION

_SERVICE: Final = "antigravity"
_KINDS: Final = {"server": SpanKind.SERVER, "client": SpanKind.CLIENT}
#: What the W3C allows at most for ``tracestate``, in characters.
_STATE_LIMIT: Final = 512
_SAMPLED: Final = TraceFlags(TraceFlags.SAMPLED)


class _RecordedIds(IdGenerator):
    """Gives the next span the ids that its record has."""

    def __init__(self) -> None:
        self.trace_id = self.span_id = 0

    def generate_trace_id(self) -> int:
        """Return the id of the trace."""
        return self.trace_id

    def generate_span_id(self) -> int:
        """Return the id of the span."""
        return self.span_id


@implementer(ITracer)
class Tracer:
    """Begins traces, and gives the spans of finished exchanges to ``processor``.

    What the parameters leave open, the variables of OpenTelemetry decide.

    :param ratio: the share of new traces that is sampled; for 1, ``OTEL_TRACES_SAMPLER`` decides.
        Traces of clients are sampled if the client says so.
    :param service_name: the name of the service; empty: ``OTEL_SERVICE_NAME``, else the gateway's.
    :param propagates: whether upstreams receive the context.
    """

    def __init__(
        self,
        processor: SpanProcessor,
        *,
        ratio: float = 1.0,
        service_name: str = "",
        propagates: bool = True,
    ) -> None:
        sampler = None if ratio == 1.0 else ParentBased(TraceIdRatioBased(ratio))
        self._sampler = TracerProvider(sampler=sampler, shutdown_on_exit=False).sampler
        self._propagates = propagates
        self._propagator = TraceContextTextMapPropagator()
        self._random = RandomIdGenerator()
        self._ids = _RecordedIds()
        # It samples all, because only what was sampled at its begin is exported.
        provider = TracerProvider(
            ALWAYS_ON, _resource(service_name), shutdown_on_exit=False, id_generator=self._ids
        )
        provider.add_span_processor(processor)
        self._tracer = provider.get_tracer(_SERVICE, VERSION)

    def begin(self, headers: Mapping[str, str]) -> TraceContext:
        """Return the place of a new request; see :class:`ITracer`."""
        parent_id = state = ""
        context = None
        if "traceparent" in headers:
            context = self._propagator.extract(headers)
            parent = get_current_span(context).get_span_context()
            if parent.is_valid:
                trace_id, parent_id = parent.trace_id, format(parent.span_id, "016x")
                state = parent.trace_state.to_header()
            else:
                context = None
        if context is None:
            trace_id = self._random.generate_trace_id()
        sampling = self._sampler.should_sample(context, trace_id, "request", SpanKind.SERVER)
        return TraceContext(
            format(trace_id, "032x"),
            self.new_span_id(),
            parent_id,
            sampling.decision.is_sampled(),
            state if len(state) <= _STATE_LIMIT else "",
            self._propagates,
        )

    def new_span_id(self) -> str:
        """Return the id of a new span."""
        return format(self._random.generate_span_id(), "016x")

    def export(self, record: ExchangeRecord) -> None:
        """Give the spans of a finished exchange to the processor, if its trace is sampled."""
        trace = record.trace
        if trace is not None and trace.is_sampled:
            self._ids.trace_id = int(trace.trace_id, 16)
            for data in spans_of(record):
                self._emit(trace, data)

    def _emit(self, trace: TraceContext, data: SpanData) -> None:
        context = None
        if data.parent_id:
            parent = SpanContext(
                int(trace.trace_id, 16),
                int(data.parent_id, 16),
                is_remote=data.parent_id == trace.parent_id,
                trace_flags=_SAMPLED,
                trace_state=TraceState.from_header([trace.state]) if trace.state else None,
            )
            context = set_span_in_context(NonRecordingSpan(parent))
        self._ids.span_id = int(data.span_id, 16)
        span = self._tracer.start_span(
            data.name, context, _KINDS[data.kind], data.attributes, start_time=data.started
        )
        if data.error:
            span.set_status(Status(StatusCode.ERROR, data.error))
        span.end(data.ended)


def _resource(service_name: str) -> Resource:
    """Return what describes the gateway, besides what the environment says."""
    known = {"service.version": VERSION}
    named = os.environ.get("OTEL_SERVICE_NAME") or "service.name=" in os.environ.get(
        "OTEL_RESOURCE_ATTRIBUTES", ""
    )
    if service_name or not named:
        known["service.name"] = service_name or _SERVICE
    return Resource.create(known)
