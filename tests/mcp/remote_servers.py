"""Connections, sessions and servers of MCP clients, on a fake transport and a fake clock."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock

from antigravity.interfaces.transport import OutgoingRequest
from antigravity.ir.errors import UpstreamError
from antigravity.mcp.client.federated_server import FederatedServer, ServerTimeouts
from antigravity.mcp.client.http_channel import HttpChannel
from antigravity.mcp.client.http_connection import Address, HttpConnection
from antigravity.mcp.client.list_entries import pattern_of
from antigravity.mcp.client.remote_session import RemoteSession
from antigravity.mcp.protocol import messages
from tests.mcp.fake_transport import RelayTarget, Response

SSE = {"content-type": "text/event-stream"}


def event(message: object, id: str = "") -> bytes:  # noqa: A002
    name = f"id: {id}\n" if id else ""
    return f"{name}data: {json.dumps(message)}\n\n".encode()


def result(id: object = 1, **value: Any) -> dict[str, Any]:  # noqa: A002
    return {"jsonrpc": "2.0", "id": id, "result": value}


def whole(message: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    return Response(status, headers, json.dumps(message).encode())


class FakeConnection:
    """A link, with what came over it."""

    def __init__(self, *answers: Response | Exception) -> None:
        self.remote = RelayTarget(*answers)
        self.clock = Clock()
        self.heard: list[Any] = []
        address = Address("far", "https://far/mcp", (("authorization", "Bearer OURS"),), 30.0)
        self.link = HttpConnection(self.remote, self.clock, address, self._receive)

    def _receive(self, data: bytes, found: Any, about: Any) -> None:
        self.heard.append(json.loads(data))

    def post(self, about: int | None = 1, **more: Any) -> list[Any]:
        return outcome(self.link.post(BODY, about=about, **more))


def outcome(waiting: Deferred[Any]) -> list[Any]:
    """Return a list that holds the result or the failure, once there is one."""
    found: list[Any] = []
    waiting.addCallbacks(found.append, lambda failure: found.append(failure.value))
    return found


class FakeSession:
    """A peer that greets, and a server that answers as told."""

    def __init__(self, *answers: Response | Exception) -> None:
        self.remote = RelayTarget(*answers)
        self.clock = Clock()
        self.heard: list[Any] = []
        self.session = RemoteSession(
            "far", self.clock, self._open, lambda session, told: self.heard.append(told)
        )

    def _open(self, receive: Any) -> HttpChannel:
        return HttpChannel(self.remote, self.clock, Address("far", "https://far"), receive)

    def initialize(self) -> list[Any]:
        return outcome(Deferred.fromCoroutine(self.session.initialize(60.0, probe=10.0)))

    @property
    def sent(self) -> list[str]:
        return [json.loads(r.body)["method"] for r in self.remote.requests if r.body]


NOTE = {"jsonrpc": "2.0", "method": "notifications/progress", "params": {"progress": 1}}


BODY = messages.request(1, "tools/list", {})


DISCOVERED = result(1, supportedVersions=["2026-07-28"], capabilities={"tools": {}})


INITIALIZED = result(2, protocolVersion="2025-06-18", capabilities={"prompts": {}})


class FakeServer(RelayTarget):
    """A server of the stateless revision; ``away`` says why nobody gets there."""

    def __init__(self) -> None:
        super().__init__()
        self.away = ""
        self.reports_changes = False
        self.tools: list[Any] = [{"name": "a", "inputSchema": {"type": "object"}}]

    def send(self, request: OutgoingRequest) -> Deferred[Any]:
        if self.away:
            self.answers = [UpstreamError(self.away)]
        elif not self.hold and request.body:
            body = json.loads(request.body)
            result = self.result(body["method"])
            text = json.dumps({"jsonrpc": "2.0", "id": body["id"], "result": result})
            self.requests.append(request)
            return succeed(Response(body=text.encode()))
        return super().send(request)

    def result(self, method: str) -> dict[str, Any]:
        if method == "server/discover":
            tools = {"listChanged": True} if self.reports_changes else {}
            return {"supportedVersions": ["2026-07-28"], "capabilities": {"tools": tools}}
        return {"tools": self.tools} if method == "tools/list" else {"content": []}

    @property
    def greetings(self) -> int:
        """How often it was tried."""
        bodies = [json.loads(r.body) for r in self.requests if r.body]
        return sum(body["method"] == "server/discover" for body in bodies)


class ConnectedServer:
    """A member, with a clock in hand."""

    def __init__(self, patterns: tuple[str, ...] = ("*",), **limits: float) -> None:
        self.server = FakeServer()
        self.clock = Clock()
        address = Address("far", "https://far/mcp")
        self.member = FederatedServer(
            "far",
            self.clock,
            lambda receive: HttpChannel(self.server, self.clock, address, receive),
            ServerTimeouts(**limits),
            pattern_of(patterns),
        )

    def start(self) -> ConnectedServer:
        self.member.start()
        return self

    def call(self) -> list[Any]:
        """Call the tool ``a``; the list holds what came of it, once that is known."""
        asking = Deferred.fromCoroutine(self.member.session())
        found: list[Any] = []
        asking.addCallbacks(lambda peer: found.append("sent"), lambda f: found.append(f.value))
        return found

    @property
    def tools(self) -> list[str]:
        return [tool.name for tool in self.member.catalog.tools()]
