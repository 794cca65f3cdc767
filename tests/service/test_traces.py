"""Traces of a running gateway, sent to a collector over OTLP/HTTP."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any
from unittest import SkipTest

import treq
from msgspec.structs import replace
from twisted.internet import reactor as default_reactor
from twisted.internet.task import deferLater
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Site

from antigravity.app import traces as module
from antigravity.config.secret import Secret
from antigravity.config.settings import Settings
from antigravity.config.trace_settings import TraceSettings
from tests.service.account_fixture import MODEL, AccountCase

try:
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
except ImportError as missing:
    raise SkipTest("the extra otel is not installed") from missing

reactor: Any = default_reactor
TRACE_ID = "0af7651916cd43dd8448eb211c80319c"
PARENT = "b7ad6b7169203331"
TIMEOUT = 30.0


class Collector(Resource):
    """Receives spans; ``answers`` says whether it responds to requests."""

    isLeaf = True  # noqa: N815 - the name is twisted.web's

    def __init__(self) -> None:
        super().__init__()
        self.answers = True
        self.spans: list[Any] = []
        self.services: list[str] = []
        self.keys: list[str | None] = []
        self.paths: list[bytes] = []

    def render_POST(self, request: Any) -> Any:
        """Keep the spans of a request."""
        self.paths.append(request.path)
        if not self.answers:
            return NOT_DONE_YET
        self.keys.append(request.getHeader("x-key"))
        sent = ExportTraceServiceRequest.FromString(request.content.read())
        for group in sent.resource_spans:
            attributes = {each.key: each.value.string_value for each in group.resource.attributes}
            self.services.append(attributes["service.name"])
            self.spans += [span for scope in group.scope_spans for span in scope.spans]
        request.setHeader("Content-Type", "application/x-protobuf")
        return b""


def sdk_threads() -> list[str]:
    """Return the names of the SDK's running threads, and of those that end it."""
    names = [each.name for each in threading.enumerate()]
    return [name for name in names if name.startswith(("Otel", "traces-"))]


class TraceTests(AccountCase):
    timeout = 120

    def setUp(self) -> None:
        for name in ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_SDK_DISABLED", "OTEL_SERVICE_NAME"):
            self.patch_environment(name, None)
        self.patch_environment("OTEL_BSP_SCHEDULE_DELAY", "50")
        self.patch_environment("NO_PROXY", "127.0.0.1")
        self.collector = Collector()
        self.port = reactor.listenTCP(0, Site(self.collector), interface="127.0.0.1")
        self.addCleanup(self.port.stopListening)
        self.address = f"http://127.0.0.1:{self.port.getHost().port}"

    def patch_environment(self, name: str, value: str | None) -> None:
        import os

        changed = dict(os.environ)
        if value is None:
            changed.pop(name, None)
        else:
            changed[name] = value
        before = dict(os.environ)

        def restore() -> None:
            os.environ.clear()
            os.environ.update(before)

        os.environ.clear()
        os.environ.update(changed)
        self.addCleanup(restore)

    async def start_with(self, *, secrets: tuple[str, ...] = ("one",), **traces: Any) -> None:
        """Start a gateway whose traces go to the collector."""
        await self.start(*secrets)
        traces.setdefault("endpoint", f"{self.address}/v1/traces")
        await self.reload(TraceSettings(True, **traces))

    async def reload(self, traces: TraceSettings) -> None:
        assert self.gateway is not None
        self.settings: Settings = replace(self.settings, traces=traces)
        await self.gateway.reload()

    async def wait_until(self, condition: Callable[[], object]) -> None:
        end = reactor.seconds() + TIMEOUT
        while not condition():
            self.assertLess(reactor.seconds(), end, "it did not happen")
            await deferLater(reactor, 0.02)

    async def traced(self, status: int = 200, **headers: str) -> None:
        """Send a request, and wait until no more spans are expected."""
        assert self.gateway is not None
        assert self.gateway.listener is not None
        host = self.gateway.listener.ports[0].getHost()
        response = await treq.post(
            f"http://127.0.0.1:{host.port}/v1/chat/completions",
            json={"model": MODEL, "messages": [{"role": "user", "content": "secret prompt"}]},
            headers=headers,
            persistent=False,
        )
        await response.content()
        self.assertEqual(response.code, status)

    def attributes(self, span: Any) -> dict[str, Any]:
        return {
            each.key: getattr(each.value, each.value.WhichOneof("value"))
            for each in span.attributes
        }

    def upstream_headers(self) -> dict[str, str]:
        """Return the headers of the last request for a response to the simulator."""
        sent = [each for each in self.simulator.log if "enerateContent" in each.path]
        headers: dict[str, str] = sent[-1].headers
        return headers

    async def test_request_is_traced_from_client_to_upstream(self) -> None:
        await self.start_with(headers={"x-key": Secret("collector-key")})
        await self.traced(traceparent=f"00-{TRACE_ID}-{PARENT}-01", tracestate="vendor=x")
        await self.wait_until(lambda: len(self.collector.spans) == 2)
        request, attempt = sorted(self.collector.spans, key=lambda each: int(each.kind))
        self.assertEqual(request.trace_id.hex(), TRACE_ID)
        self.assertEqual(request.parent_span_id.hex(), PARENT)
        self.assertEqual(attempt.parent_span_id, request.span_id)
        self.assertEqual(request.name, f"chat {MODEL}")
        self.assertEqual(self.attributes(request)["antigravity.outcome"], "ok")
        self.assertGreater(self.attributes(request)["gen_ai.usage.input_tokens"], 0)
        self.assertEqual(self.attributes(attempt)["antigravity.account"], "codeassist-0")
        self.assertLessEqual(request.start_time_unix_nano, attempt.start_time_unix_nano)
        self.assertLessEqual(attempt.end_time_unix_nano, request.end_time_unix_nano)
        sent = self.upstream_headers()
        self.assertEqual(sent["traceparent"], f"00-{TRACE_ID}-{attempt.span_id.hex()}-01")
        self.assertEqual(sent["tracestate"], "vendor=x")
        self.assertNotIn("secret prompt", str(self.collector.spans))
        self.assertEqual(self.collector.keys[-1], "collector-key")
        self.assertEqual(set(self.collector.services), {"antigravity"})
        self.assertNotIn("collector-key", repr(self.settings))

    async def test_context_stays_here_without_propagation(self) -> None:
        await self.start_with(propagate=False)
        await self.traced(traceparent=f"00-{TRACE_ID}-{PARENT}-01")
        self.assertNotIn("traceparent", self.upstream_headers())
        await self.wait_until(lambda: len(self.collector.spans) == 2)

    async def test_nothing_is_traced_while_traces_are_off(self) -> None:
        await self.start("one")
        await self.traced(traceparent=f"00-{TRACE_ID}-{PARENT}-01")
        self.assertNotIn("traceparent", self.upstream_headers())
        await self.wait_until(lambda: not sdk_threads())

    async def test_reload_switches_traces_on_and_off(self) -> None:
        await self.start_with()
        await self.traced()
        await self.reload(TraceSettings())
        self.assertEqual(len(self.collector.spans), 2)
        await self.wait_until(lambda: not sdk_threads())
        await self.traced()
        self.assertNotIn("traceparent", self.upstream_headers())
        await self.reload(TraceSettings(True, f"{self.address}/v1/traces", service_name="again"))
        await self.traced()
        await self.wait_until(lambda: len(self.collector.spans) == 4)
        self.assertEqual(self.collector.services[-1], "again")

    async def test_address_comes_from_the_environment(self) -> None:
        self.patch_environment("OTEL_EXPORTER_OTLP_ENDPOINT", self.address)
        await self.start_with(endpoint="")
        await self.traced()
        await self.wait_until(lambda: len(self.collector.spans) == 2)
        self.assertEqual(self.collector.paths[0], b"/v1/traces")

    async def test_environment_can_disable_the_sdk(self) -> None:
        self.patch_environment("OTEL_SDK_DISABLED", "true")
        await self.start_with()
        await self.traced()
        await self.wait_until(lambda: not sdk_threads())

    async def test_stop_exports_what_waits_and_ends_threads(self) -> None:
        self.patch_environment("OTEL_BSP_SCHEDULE_DELAY", "3600000")
        await self.start_with()
        await self.traced()
        self.assertEqual(self.collector.spans, [])
        self.assertNotEqual(sdk_threads(), [])
        await self.stop()
        self.assertEqual(len(self.collector.spans), 2)
        await self.wait_until(lambda: not sdk_threads())
        self.assertEqual(logging.getLogger("opentelemetry").handlers, [])

    async def test_stop_does_not_wait_for_a_collector_that_hangs(self) -> None:
        self.patch_environment("OTEL_EXPORTER_OTLP_TIMEOUT", "2")
        self.collector.answers = False
        self.patch(module, "_CLOSE_TIMEOUT", 0.5)
        await self.start_with()
        await self.traced()
        await self.wait_until(lambda: self.collector.paths)
        before = reactor.seconds()
        await self.stop()
        self.assertLess(reactor.seconds() - before, 1.9)
        await self.wait_until(lambda: not sdk_threads())

    async def test_requests_succeed_without_collector(self) -> None:
        self.patch(module, "_CLOSE_TIMEOUT", 0.2)
        await self.start_with(endpoint="http://127.0.0.1:9/v1/traces")
        await self.traced()
        await self.traced()
