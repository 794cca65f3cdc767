"""A way to an endpoint without a network, for a gateway that offers the tools of another one."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.web.client import ResponseDone

from antigravity.interfaces.exchange import Reply
from antigravity.interfaces.mcp import McpCall
from antigravity.interfaces.transport import OutgoingRequest
from antigravity.ir.errors import UpstreamError
from antigravity.mcp.client.federated_server import FederatedServer, ServerTimeouts
from antigravity.mcp.client.http_channel import HttpChannel
from antigravity.mcp.client.http_connection import Address
from antigravity.mcp.endpoint import McpEndpoint


class EndpointResponse:
    """The response of an endpoint; a stream arrives when it is read."""

    def __init__(self, reply: Reply) -> None:
        self._reply = reply
        self._producer: Any = None
        self._reader: Any = None

    def status(self) -> int:
        return self._reply.status

    def headers(self) -> Mapping[str, str]:
        own = {name.lower(): value for name, value in self._reply.headers}
        return {"content-type": self._reply.content_type, **own}

    def collect(self, limit: int) -> Deferred[bytes]:
        return succeed(self._reply.body)

    def deliver(self, reader: Any) -> None:
        self._reader = reader
        reader.makeConnection(self)
        assert self._reply.stream is not None
        self._reply.stream.start(self).addBoth(
            lambda _: reader.connectionLost(Failure(ResponseDone()))
        )

    # -- what the endpoint's stream writes to --

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        self._producer = producer

    def unregisterProducer(self) -> None:
        self._producer = None

    def write(self, data: bytes) -> None:
        self._reader.dataReceived(data)

    # -- what the reader does --

    def abort(self) -> None:
        if self._producer is not None:
            self._producer.stopProducing()

    stopProducing = abort

    def pauseProducing(self) -> None:
        pass

    def resumeProducing(self) -> None:
        pass


class EndpointTransport:
    """Sends requests to ``endpoint``; ``away`` says why it cannot be reached."""

    def __init__(self, endpoint: McpEndpoint) -> None:
        self.endpoint = endpoint
        self.away = ""
        self.sent: list[dict[str, Any]] = []

    def send(self, request: OutgoingRequest) -> Deferred[Any]:
        if self.away:
            return fail(UpstreamError(self.away))
        headers = {name.lower(): value for name, value in request.headers}
        call = McpCall(request.method, headers, request.body or b"", "the-gateway")
        return self.endpoint.handle(call).addCallback(EndpointResponse)

    def close(self) -> Deferred[None]:
        return succeed(None)


def federated(
    name: str, clock: Clock, transport: EndpointTransport, *, modern: bool
) -> FederatedServer:
    """Return a server, connected in the newest revision or in the newest with sessions."""
    server = FederatedServer(
        name,
        clock,
        lambda receive: HttpChannel(transport, clock, Address(name, f"https://{name}"), receive),
        ServerTimeouts(probe=10.0 if modern else 0.0),
        re.compile(".*"),
    )
    server.start()
    return server
