"""The payloads of one request: captured while it is served, handed over when all of it is done."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Final

from msgspec.structs import replace

from antigravity.exchange.capture.body import BodyCapture, whole_body
from antigravity.exchange.capture.messages import Collected, RecordedStream, RecordingTransport
from antigravity.exchange.services import Services
from antigravity.interfaces.exchange import Reply
from antigravity.interfaces.payloads import (
    IPayloadSink,
    NamedValue,
    RawBody,
    RawMessage,
    RawPayloads,
    ReplayRoute,
)
from antigravity.interfaces.transport import OutgoingRequest
from antigravity.ir.call import Call
from antigravity.ir.record import ExchangeRecord

#: The most messages of one request; those of further attempts are left out.
_MOST: Final = 64


class RequestCapture:
    """Collects what is sent and received for one call.

    :param keep: whether the payloads are kept however the request ends.
    """

    def __init__(self, sink: IPayloadSink, protocol: str, call: Call, *, keep: bool) -> None:
        self._sink = sink
        self._keep = keep
        route = call.route
        query = [NamedValue(name, value) for name, value in call.parameters]
        self._payloads = RawPayloads(
            call.request_id,
            ReplayRoute(protocol, route.method, route.path, route.tag, call.arguments, query),
            [
                RawMessage(
                    "from_client",
                    tuple(call.headers.items()),
                    whole_body(sink, call.body),
                    method=route.method,
                    url=call.base_url + _path(call),
                )
            ],
        )
        self._record: ExchangeRecord | None = None
        self._outcome = ""
        #: Bodies whose end has not come yet.
        self._open: list[Collected] = []
        self._is_answered = False
        self._is_done = False

    def observe(self, services: Services) -> Services:
        """Return services whose requests to upstreams are captured."""
        return replace(
            services,
            transport=RecordingTransport(services.transport, self._sent),
            started=partial(self._started, services),
            finished=partial(self._finished, services),
        )

    def answered(self, reply: Reply) -> Reply:
        """Return the reply to the client, whose body is captured."""
        headers = (("Content-Type", reply.content_type), *reply.headers)
        message = RawMessage("to_client", headers, status=reply.status)
        self._payloads.messages.append(message)
        if reply.stream is None:
            message.body = whole_body(self._sink, reply.body)
            self.end()
            return reply
        collected = Collected(
            BodyCapture(self._sink, reply.content_type), partial(self._written, message)
        )
        return replace(reply, stream=RecordedStream(reply.stream, collected))

    def end(self) -> None:
        """Know that nothing more is written to the client."""
        self._is_answered = True
        self._settle()

    def _sent(self, request: OutgoingRequest) -> partial[Collected]:
        record, messages = self._record, self._payloads.messages
        attempt = len(record.attempts) - 1 if record is not None and record.attempts else None
        sent = RawMessage(
            "to_upstream",
            request.headers,
            method=request.method,
            url=request.url,
            attempt=attempt,
        )
        received = RawMessage("from_upstream", attempt=attempt)
        if len(messages) < _MOST and not self._is_done:
            sent.body = whole_body(self._sink, request.body)
            messages += (sent, received)
        return partial(self._received, received)

    def _received(self, message: RawMessage, status: int, headers: Mapping[str, str]) -> Collected:
        message.status, message.headers = status, tuple(headers.items())
        capture = BodyCapture(self._sink, headers.get("content-type", ""))
        collected = Collected(capture, partial(self._read, message))
        self._open.append(collected)
        return collected

    def _read(self, message: RawMessage, body: RawBody) -> None:
        if self._is_done or not any(message is each for each in self._payloads.messages):
            self._sink.release(body.reserved)
        else:
            message.body = body

    def _written(self, message: RawMessage, body: RawBody) -> None:
        message.body = body
        self.end()

    def _started(self, services: Services, record: ExchangeRecord) -> None:
        if record.id == self._payloads.request_id:  # not one that the gateway makes for it
            self._record = record
            self._payloads.started = record.started
        services.started(record)

    def _finished(self, services: Services, record: ExchangeRecord) -> None:
        services.finished(record)
        if record.id == self._payloads.request_id:
            self._outcome = record.outcome
            self._payloads.started = record.started
            self._settle()

    def _settle(self) -> None:
        """Hand over the payloads once the request has ended and its response is written.

        A request without a record, such as for the list of models, is not kept.
        """
        if self._is_done or not self._is_answered:
            return
        if self._outcome == "" and self._record is not None:
            return  # its record ends a little later than its stream
        for collected in self._open:  # the upstream may go on for a moment
            collected.end()
        self._open.clear()
        self._is_done = True
        wanted = self._keep or self._sink.keeps_all or self._outcome != "ok"
        if self._outcome and wanted:
            self._sink.put(self._payloads)
        else:
            self._sink.release(self._payloads.reserved)


def _path(call: Call) -> str:
    """Return the path of a call with its query."""
    path = call.route.path
    for name, value in call.arguments.items():
        for pattern in (f"{{{name}}}", f"{{{name}...}}"):
            path = path.replace(pattern, value)
    query = "&".join(f"{name}={value}" for name, value in call.parameters)
    return f"{path}?{query}" if query else path
