"""Trials of requests by the operator, through the real pipeline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from secrets import token_hex
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec
from twisted.internet import defer
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IConsumer
from zope.interface import implementer

from antigravity.exchange.lab import Captured, at_one_upstream, simulated, trial
from antigravity.exchange.service import Exchange
from antigravity.interfaces.exchange import Reply
from antigravity.interfaces.lab import (
    LARGEST_ANSWER,
    LONGEST_WAIT,
    ILab,
    LabAnswer,
    LabRequest,
    LabTranslation,
)
from antigravity.interfaces.protocols import IServerProtocol
from antigravity.interfaces.transport import OutgoingRequest
from antigravity.ir.call import Call, Route
from antigravity.ir.errors import DeadlineError, InvalidRequestError, OverloadedError
from antigravity.ir.record import ExchangeRecord
from antigravity.redaction.credentials import CREDENTIALS, REDACTED, SECRET_NAME

#: How requests of the lab name themselves in the ledger.
_AGENT: Final = "antigravity-lab"
#: Simulators at a time.
_MOST_SIMULATORS: Final = 4
#: Headers that clients of a protocol always send.
_HEADERS: Final[Mapping[str, Mapping[str, str]]] = {
    "anthropic": {"anthropic-version": "2023-06-01"},
}


@implementer(ILab)
class Lab:
    """Tries requests with an exchange; see :class:`ILab`.

    :param protocols: the protocols of clients.
    :param principal: the opaque name of the operator's key, for the records of what is sent.
    """

    def __init__(
        self,
        reactor: Any,
        exchange: Exchange,
        protocols: Sequence[IServerProtocol],
        principal: str,
    ) -> None:
        self._reactor = reactor
        self._exchange = exchange
        self._all_protocols = protocols
        self._principal = principal
        self._simulators = 0

    @cached_property
    def _protocols(self) -> Mapping[str, IServerProtocol]:
        """The protocols of conversations; to find out which are some imports all."""
        return {each.name: each for each in self._all_protocols if _converses(each)}

    @property
    def protocols(self) -> tuple[str, ...]:
        """The names of the protocols whose requests can be tried."""
        return tuple(self._protocols)

    def translate(self, request: LabRequest) -> Deferred[LabTranslation]:
        """Return a Deferred with what an upstream would get; nothing is sent to it."""
        return Deferred.fromCoroutine(self._translate(request))

    def send(self, request: LabRequest) -> Deferred[LabAnswer]:
        """Send the request as if a client had sent it, and return a Deferred with the answer."""
        return Deferred.fromCoroutine(self._send(request))

    async def _translate(self, request: LabRequest) -> LabTranslation:
        protocol, call = self._call(request)
        call = msgspec.structs.replace(call, take_record=lambda record: True)  # no line in the log
        records: list[ExchangeRecord] = []
        exchange = self._exchange.changed(
            lambda services, snapshot: trial(services, snapshot, request.upstream, records.append)
        )
        reply: Reply | None = None
        captured: OutgoingRequest | None = None
        try:
            reply = await exchange.handle(protocol, call)
        except Captured as found:
            captured = found.request
        if reply is not None and reply.stream is not None:
            reply.stream.abandon()
        record = records[0] if records else None
        model = request.model or str(request.request.get("model", ""))
        translation: LabTranslation = await self._exchange.compute(
            len(call.body), lambda: _translation(model, record, captured, reply)
        )
        return translation

    async def _send(self, request: LabRequest) -> LabAnswer:
        if request.simulate:
            return await self._simulate(request)
        protocol, call = self._call(request)
        exchange = self._exchange.changed(
            lambda services, snapshot: (services, at_one_upstream(snapshot, request.upstream))
        )
        exchange.payloads = self._exchange.payloads
        return await self._answer(exchange, protocol, call)

    async def _simulate(self, request: LabRequest) -> LabAnswer:
        """Send the request to a simulator that runs for this trial only.

        :raises OverloadedError: if there are too many of them.
        """
        from antigravity.app.lab_simulator import LabSimulator

        protocol, call = self._call(request)
        call = msgspec.structs.replace(call, take_record=lambda record: True)  # no line in the log
        if self._simulators >= _MOST_SIMULATORS:
            raise OverloadedError(f"{_MOST_SIMULATORS} simulators answer others now.  Try later.")
        simulator = LabSimulator(self._reactor)
        self._simulators += 1
        try:
            await simulator.start()
            exchange = self._exchange.changed(
                lambda services, snapshot: simulated(
                    services, snapshot, request.upstream, simulator.transport(services.transport)
                )
            )
            answer = await self._answer(exchange, protocol, call)
        finally:
            self._simulators -= 1
            await simulator.stop()
        return msgspec.structs.replace(answer, simulated=True)

    async def _answer(self, exchange: Exchange, protocol: IServerProtocol, call: Call) -> LabAnswer:
        """Return what the client gets.

        :raises DeadlineError: if it takes too long.
        """
        began = self._reactor.seconds()
        served = Deferred.fromCoroutine(_collect(exchange, protocol, call))
        served.addTimeout(LONGEST_WAIT, self._reactor)
        try:
            reply, body, is_cut = await served
        except defer.TimeoutError:
            raise DeadlineError(f"There is no answer after {LONGEST_WAIT:.0f} seconds.") from None
        return LabAnswer(
            request_id=call.request_id,
            status=reply.status,
            content_type=reply.content_type,
            headers=_masked(reply.headers),
            body=CREDENTIALS.redact(body.decode("utf-8", "replace")),
            is_cut=is_cut,
            seconds=self._reactor.seconds() - began,
        )

    def _call(self, request: LabRequest) -> tuple[IServerProtocol, Call]:
        protocol = self._protocols.get(request.protocol)
        if protocol is None:
            raise InvalidRequestError(
                f"Requests in {request.protocol[:100]!r} cannot be tried; these can: "
                f"{', '.join(self._protocols)}.",
                param="protocol",
            )
        body = dict(request.request)
        route = _route(protocol.routes, stream=request.stream)
        arguments: dict[str, str] = {}
        if "{model" in route.path:
            model = request.model or str(body.pop("model", ""))
            arguments = {"model": model}
        else:
            body["stream"] = request.stream
            if request.model:
                body["model"] = request.model
        call = Call(
            route,
            arguments,
            {},
            {"user-agent": _AGENT, **_HEADERS.get(protocol.name, {})},
            msgspec.json.encode(body),
            self._principal,
            f"lab_{token_hex(12)}",
        )
        return protocol, call


def _converses(protocol: Any) -> bool:
    """Return whether a protocol is one of conversations, and not of embeddings or files."""
    generates = any(route.operation == "generate" for route in protocol.routes)
    return generates and bool(protocol.traits.is_conversation)


def _route(routes: Sequence[Route], *, stream: bool) -> Route:
    """Return the route of a protocol for responses, streamed or not if it has one for each."""
    found = [route for route in routes if route.operation == "generate"]
    wanted = "stream" if stream else "whole"
    return next((route for route in found if route.tag == wanted), found[0])


async def _collect(
    exchange: Exchange, protocol: IServerProtocol, call: Call
) -> tuple[Reply, bytes, bool]:
    """Return a reply with its body, and whether that is only the beginning."""
    reply = await exchange.handle(protocol, call)
    if reply.stream is None:
        return reply, reply.body[:LARGEST_ANSWER], len(reply.body) > LARGEST_ANSWER
    collector = _Collector()
    await reply.stream.start(collector)
    return reply, b"".join(collector.parts), collector.is_cut


@implementer(IConsumer)
class _Collector:
    """Keeps the beginning of a stream."""

    def __init__(self) -> None:
        self.parts: list[bytes] = []
        self.is_cut = False
        self._room = LARGEST_ANSWER

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        """Accept a producer: nothing is ever paused."""

    def unregisterProducer(self) -> None:
        """Accept the end of a producer."""

    def write(self, data: bytes) -> None:
        """Keep data, as long as there is room."""
        self.parts.append(data[: self._room])
        self.is_cut = self.is_cut or len(data) > self._room
        self._room -= len(self.parts[-1])


def _translation(
    model: str,
    record: ExchangeRecord | None,
    captured: OutgoingRequest | None,
    reply: Reply | None,
) -> LabTranslation:
    attempt = record.attempts[-1] if record is not None and record.attempts else None
    found = LabTranslation(
        model=model,
        served_model="" if record is None else record.mapped_model or "",
        route=[] if record is None else list(record.route),
        upstream="" if attempt is None else attempt.upstream,
        protocol="" if attempt is None else attempt.protocol,
        account="" if attempt is None else attempt.credential,
        passed_through=attempt is not None and attempt.passed_through,
        warnings=[]
        if record is None
        else [f"{each.field}: {each.detail}" for each in record.warnings],
    )
    if captured is None:
        text = "" if reply is None else reply.body.decode("utf-8", "replace")
        if reply is not None and reply.status >= 400:
            problem = record.error if record is not None else None
            return msgspec.structs.replace(found, error=_plain(problem) or text)
        by = record.intercepted if record is not None else None
        return msgspec.structs.replace(found, answered_by=by or "gateway", body=text)
    body = captured.body if isinstance(captured.body, bytes) else b"".join(captured.body)
    return msgspec.structs.replace(
        found,
        method=captured.method,
        url=_masked_url(captured.url),
        headers=_masked(captured.headers),
        body=CREDENTIALS.redact(body.decode("utf-8", "replace")),
    )


def _plain(error: str | None) -> str:
    """Return the message of an error in a record, which begins with its kind."""
    return (error or "").partition(": ")[2] or (error or "")


def _masked(headers: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Return headers without credentials."""
    return {
        name: REDACTED if SECRET_NAME.search(name) else CREDENTIALS.redact(value)
        for name, value in headers
    }


def _masked_url(url: str) -> str:
    """Return an address without credentials."""
    parts = urlsplit(CREDENTIALS.redact(url))
    query = "&".join(
        f"{name}={REDACTED}" if SECRET_NAME.search(name) else f"{name}={value}"
        for name, _, value in (each.partition("=") for each in parts.query.split("&") if each)
    )
    netloc = parts.netloc.rpartition("@")[2]
    return parts._replace(netloc=netloc, query=query).geturl()
