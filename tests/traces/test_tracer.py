"""Spans that the SDK of OpenTelemetry exports."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from antigravity.ir.record import AttemptRecord
from tests.support.records import make_record

pytest.importorskip("opentelemetry.sdk")
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from antigravity.traces.tracer import Tracer

TRACE_ID = "0af7651916cd43dd8448eb211c80319c"
PARENT = "b7ad6b7169203331"


class Traces:
    """A tracer with what it exported."""

    def __init__(self, **options: Any) -> None:
        self.exporter = InMemorySpanExporter()
        self.tracer = Tracer(SimpleSpanProcessor(self.exporter), **options)

    def trace(self, headers: Mapping[str, str] | None = None, **changes: Any) -> Any:
        """Trace one request with one attempt; return its context and its spans by kind."""
        context = self.tracer.begin(headers or {})
        attempt = AttemptRecord(
            "google", "gemini-3-pro", "a", "gemini", False, 0.5, span_id=self.tracer.new_span_id()
        )
        record = make_record(trace=context, **{"attempts": [attempt], **changes})
        self.exporter.clear()
        self.tracer.export(record)
        return context, {each.kind: each for each in self.exporter.get_finished_spans()}


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OTEL_SERVICE_NAME", "OTEL_RESOURCE_ATTRIBUTES", "OTEL_TRACES_SAMPLER"):
        monkeypatch.delenv(name, raising=False)


def hexadecimal(span: Any) -> tuple[str, str]:
    return format(span.context.trace_id, "032x"), format(span.context.span_id, "016x")


def test_spans_have_the_ids_of_the_record() -> None:
    context, spans = Traces().trace()
    server, client = spans[SpanKind.SERVER], spans[SpanKind.CLIENT]
    assert hexadecimal(server) == (context.trace_id, context.span_id)
    assert server.parent is None
    assert format(client.context.trace_id, "032x") == context.trace_id
    assert format(client.parent.span_id, "016x") == context.span_id
    assert not client.parent.is_remote
    assert server.end_time - server.start_time == 2_000_000_000
    assert server.attributes["gen_ai.usage.input_tokens"] == 100
    assert server.instrumentation_scope.name == "antigravity"


def test_trace_of_the_client_is_continued() -> None:
    headers = {"traceparent": f"00-{TRACE_ID}-{PARENT}-01", "tracestate": "vendor=x,other=y"}
    context, spans = Traces().trace(headers)
    assert (context.trace_id, context.parent_id) == (TRACE_ID, PARENT)
    server = spans[SpanKind.SERVER]
    assert format(server.parent.span_id, "016x") == PARENT
    assert server.parent.is_remote
    assert server.context.trace_state.to_header() == "vendor=x,other=y"
    sent = dict(context.headers("1234567890abcdef"))
    assert sent["traceparent"] == f"00-{TRACE_ID}-1234567890abcdef-01"
    assert sent["tracestate"] == "vendor=x,other=y"


@pytest.mark.parametrize(
    "value",
    [
        "",
        "00",
        f"00-{TRACE_ID}-{PARENT}",
        f"ff-{TRACE_ID}-{PARENT}-01",
        f"00-{'0' * 32}-{PARENT}-01",
        f"00-{TRACE_ID}-{'0' * 16}-01",
        f"00-{TRACE_ID.upper()}-{PARENT}-01",
        "x" * 100_000,
    ],
)
def test_malformed_context_begins_a_new_trace(value: str) -> None:
    context, spans = Traces().trace({"traceparent": value, "tracestate": "a=b"})
    assert context.trace_id not in (TRACE_ID, "0" * 32)
    assert context.parent_id == context.state == ""
    assert spans[SpanKind.SERVER].parent is None


def test_long_state_is_not_passed_on() -> None:
    state = ",".join(f"vendor{number}={'x' * 200}" for number in range(10))
    context, _ = Traces().trace({"traceparent": f"00-{TRACE_ID}-{PARENT}-01", "tracestate": state})
    assert context.trace_id == TRACE_ID
    assert context.state == ""


def test_client_decides_about_sampling() -> None:
    context, spans = Traces().trace({"traceparent": f"00-{TRACE_ID}-{PARENT}-00"})
    assert not context.is_sampled
    assert spans == {}
    assert dict(context.headers("1" * 16))["traceparent"].endswith("-00")
    context, spans = Traces(ratio=0.0).trace({"traceparent": f"00-{TRACE_ID}-{PARENT}-01"})
    assert context.is_sampled
    assert len(spans) == 2


def test_ratio_decides_about_new_traces() -> None:
    traces = Traces(ratio=0.5)
    sampled = sum(traces.trace()[0].is_sampled for _ in range(400))
    assert 120 < sampled < 280
    assert Traces(ratio=0.0).trace()[1] == {}


def test_environment_decides_what_settings_leave_open(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "always_off")
    assert Traces().trace()[1] == {}
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "always_on")
    monkeypatch.setenv("OTEL_SERVICE_NAME", "my-gateway")
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment=home")
    _, spans = Traces().trace()
    resource = spans[SpanKind.SERVER].resource.attributes
    assert resource["service.name"] == "my-gateway"
    assert resource["deployment.environment"] == "home"
    _, spans = Traces(service_name="other").trace()
    assert spans[SpanKind.SERVER].resource.attributes["service.name"] == "other"


def test_service_is_called_antigravity_by_default() -> None:
    _, spans = Traces().trace()
    assert spans[SpanKind.SERVER].resource.attributes["service.name"] == "antigravity"


def test_error_is_the_status_of_the_span() -> None:
    _, spans = Traces().trace(outcome="error", error="ServerError: quoted prompt")
    status = spans[SpanKind.SERVER].status
    assert (status.status_code, status.description) == (StatusCode.ERROR, "ServerError")
    _, spans = Traces().trace()
    assert spans[SpanKind.SERVER].status.status_code is StatusCode.UNSET
