"""An exchange whose upstreams are one simulator in memory: no sockets, no threads."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from msgspec import Struct
from msgspec.structs import replace
from treq.testing import StubTreq
from twisted.internet.defer import Deferred, succeed
from twisted.internet.protocol import Protocol
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.web.client import ResponseDone
from zope.interface import implementer

from antigravity.app.accounts import AccountServices
from antigravity.app.build import RuntimeBuilder
from antigravity.app.observers import Observers
from antigravity.app.runtime import LoadedConfiguration
from antigravity.config.settings import SchedulingSettings, Settings
from antigravity.context.calibration import Calibration
from antigravity.context.plan_store import PlanStore
from antigravity.context.sealed_summary import SummarySealer
from antigravity.exchange.background import Background
from antigravity.exchange.service import Exchange
from antigravity.exchange.services import Services
from antigravity.exchange.turns import Turns
from antigravity.interfaces.exchange import Reply
from antigravity.interfaces.transport import IHttpTransport, IIncomingResponse, OutgoingRequest
from antigravity.ir.call import Call, Route
from antigravity.ir.record import ExchangeRecord
from antigravity.plugins import PluginHost
from antigravity.routing.learned_refusals import LearnedRefusals
from antigravity.services import Drain
from antigravity.signatures.store import SignatureStore
from antigravity.simulator.service import build_simulator
from antigravity.stores.bounded_cache import BoundedCache
from antigravity.stores.persistent_cache import PersistentCache
from antigravity.stores.published_files import PublishedFiles


class Answer(Struct):
    """What an upstream sent, or what a client got."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        """Return the body as JSON."""
        return json.loads(self.body)


class _Connection:
    """The transport of a body that is there as a whole."""

    def pauseProducing(self) -> None:
        """Ignore the pause."""

    resumeProducing = stopProducing = pauseProducing


@implementer(IIncomingResponse)
class MemoryResponse:
    """A response that is there as a whole."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer

    def status(self) -> int:
        return self._answer.status

    def headers(self) -> Mapping[str, str]:
        return self._answer.headers

    def deliver(self, protocol: Protocol) -> None:
        protocol.makeConnection(_Connection())  # type: ignore[arg-type]
        protocol.dataReceived(self._answer.body)
        protocol.connectionLost(Failure(ResponseDone()))

    def collect(self, limit: int) -> Deferred[bytes]:
        return succeed(self._answer.body)

    def abort(self) -> None:
        pass


@implementer(IHttpTransport)
class MemoryTransport:
    """Passes requests for any host to one simulator; ``sent`` and ``received`` are the last ones.

    ``respond`` can answer a request instead of the simulator.
    """

    def __init__(self) -> None:
        self._clock = Clock()
        self.simulator = build_simulator(self._clock)
        self._http = StubTreq(self.simulator.resource())
        self.sent: list[OutgoingRequest] = []
        self.received: list[Answer] = []
        self.respond: Callable[[OutgoingRequest], Answer | None] = lambda _: None

    def send(self, request: OutgoingRequest) -> Deferred[MemoryResponse]:
        answer = self.respond(request)
        if answer is None:
            answer = self._ask(request)
        self.sent.append(request)
        self.received.append(answer)
        return succeed(MemoryResponse(answer))

    def close(self) -> Deferred[None]:
        return succeed(None)

    def _ask(self, request: OutgoingRequest) -> Answer:
        found: list[Any] = []
        body = request.body if isinstance(request.body, bytes) else b"".join(request.body)
        content = {"data": body} if body else {}
        self._http.request(
            request.method, request.url, headers=dict(request.headers), **content
        ).addBoth(found.append)
        self._http.flush()
        response = found[0]
        bodies: list[Any] = []
        self._http.content(response).addBoth(bodies.append)
        while not bodies:
            self._http.flush()
            self._clock.advance(0.1)
        assert isinstance(bodies[0], bytes), "a response that breaks off is not supported here"
        headers = {
            name.decode().lower(): values[-1].decode()
            for name, values in response.headers.getAllRawHeaders()
        }
        return Answer(response.code, headers, bodies[0])


class _Consumer:
    """A client that reads everything at once."""

    def __init__(self) -> None:
        self.body = b""

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        """Accept the producer."""

    def unregisterProducer(self) -> None:
        """Accept the end."""

    def write(self, data: bytes) -> None:
        self.body += data


class MemoryGateway:
    """An exchange of the whole gateway, without its web server.

    :param transport: that of another gateway, after which this one is started.
    :ivar records: the records of all requests; :ivar answers: what clients got.
    """

    def __init__(
        self, settings: Settings, home: Path, transport: MemoryTransport | None = None
    ) -> None:
        self.clock = clock = Clock()
        clock.advance(1_800_000_000.0)
        self.transport = transport or MemoryTransport()
        self.records: list[ExchangeRecord] = []
        self.answers: list[Answer] = []
        host = PluginHost()
        host.load(installed=False)
        self.protocols: dict[str, Any] = {p.name: p for p in host.registry.all_servers}
        observers = Observers(Drain(clock, 0.0), host, lambda record: None)
        accounts = AccountServices(clock, None, observers)
        builder = RuntimeBuilder(clock, home, self.transport, accounts.pool, None)
        proxy = replace(
            settings.proxy, scheduling=SchedulingSettings(max_wait_seconds=0.0), debug_headers=True
        )
        runtime = builder.build(LoadedConfiguration(replace(settings, proxy=proxy), host))
        accounts.pool.start()
        accounts.use(runtime)
        self.snapshot = runtime.snapshot
        self.refusals = LearnedRefusals(clock.seconds)
        numbers = iter(range(10**9))
        cache = BoundedCache(clock.seconds, max_entries=100, max_bytes=10**6, ttl=60.0)
        plans = PersistentCache(clock.seconds, max_entries=100, max_bytes=10**6, ttl=60.0)

        def call(function: Callable[..., Any], *arguments: Any) -> Deferred[Any]:
            return succeed(function(*arguments))

        self.exchange = Exchange(
            Services(
                clock=clock,
                transport=self.transport,
                signatures=SignatureStore(clock.seconds),
                calibration=Calibration(),
                contexts=PlanStore(plans),
                conversations=cache,
                files=PublishedFiles(clock.seconds, max_bytes=10**6, ttl=60.0),
                new_id=lambda prefix: f"{prefix}{next(numbers)}",
                started=lambda record: None,
                finished=self.records.append,
                in_thread=call,
                background=Background(call),
                turns=Turns(clock),
                refusals=self.refusals,
                summaries=SummarySealer(lambda: bytes(32)),
            ),
            runtime.snapshot,
        )

    def models(self, protocol: str, **query: str) -> Any:
        """Return the list of models."""
        server = self.protocols[protocol]
        route = next(each for each in server.routes if each.operation == "list_models")
        found: list[Any] = []
        self.exchange.handle(server, Call(route, {}, query, {}, b"")).addBoth(found.append)
        return json.loads(self._result(found).body)

    def count_tokens(self, protocol: str, model: str, body: dict[str, Any]) -> Answer:
        """Return the reply to a request for a count."""
        server = self.protocols[protocol]
        route = next(each for each in server.routes if each.operation == "count_tokens")
        found: list[Any] = []
        call = Call(route, {}, {}, {}, json.dumps({**body, "model": model}).encode())
        self.exchange.handle(server, call).addBoth(found.append)
        reply = self._result(found)
        return Answer(reply.status, _lower(reply), reply.body)

    def ask(self, protocol: str, model: str, body: dict[str, Any], **headers: str) -> Answer:
        """Return the reply to a request for a response, whole or streamed."""
        server = self.protocols[protocol]
        stream = bool(body.get("stream"))
        routes: list[Route] = [each for each in server.routes if each.operation == "generate"]
        route, arguments = routes[0], {}
        if protocol == "gemini":
            tag = "stream" if stream else "whole"
            route = next(each for each in routes if each.tag == tag)
            arguments = {"model": model}
            body = {name: value for name, value in body.items() if name != "stream"}
        else:
            body = {**body, "model": model}
        query = {"alt": "sse"} if protocol == "gemini" and stream else {}
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.handle(
            protocol, Call(route, arguments, query, headers, json.dumps(body).encode())
        )

    def handle(self, protocol: str, call: Call) -> Answer:
        """Return the reply to a call, its stream as a whole."""
        found: list[Any] = []
        self.exchange.handle(self.protocols[protocol], call).addBoth(found.append)
        reply = self._result(found)
        content = reply.body
        if reply.stream is not None:
            consumer, ended = _Consumer(), []  # type: ignore[var-annotated]
            reply.stream.start(consumer).addBoth(ended.append)
            self._result(ended, optional=True)
            content = consumer.body
        self.answers.append(Answer(reply.status, _lower(reply), content))
        return self.answers[-1]

    def _result(self, found: list[Any], *, optional: bool = False) -> Any:
        for _ in range(3000):
            if found:
                break
            self.clock.advance(0.01)
        assert found, "the exchange waits for something"
        if isinstance(found[0], Failure):
            found[0].raiseException()
        return found[0]


def _lower(reply: Reply) -> dict[str, str]:
    named = {name.lower(): value for name, value in reply.headers}
    return {"content-type": reply.content_type, **named}
