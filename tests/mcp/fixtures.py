"""An endpoint without a network: calls go in, whole answers and streams come out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from antigravity.interfaces.exchange import Reply
from antigravity.interfaces.mcp import McpCall
from antigravity.mcp.catalog import Catalog
from antigravity.mcp.endpoint import Limits, McpEndpoint
from antigravity.mcp.registry import McpRegistry
from antigravity.sse import SseDecoder

META = "io.modelcontextprotocol/"
MODERN = "2026-07-28"


class Reader:
    """A client that reads a stream; ``pause`` is as if its buffers were full."""

    def __init__(self, reply: Reply) -> None:
        assert reply.stream is not None
        self.raw = b""
        self.producer: Any = None
        self.done: Deferred[None] = reply.stream.start(self)

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        assert streaming
        self.producer = producer

    def unregisterProducer(self) -> None:
        self.producer = None

    def write(self, data: bytes) -> None:
        self.raw += data

    @property
    def messages(self) -> list[dict[str, Any]]:
        """The messages that have come."""
        return [json.loads(e.data) for e in SseDecoder().feed(self.raw) if e.data]

    @property
    def ids(self) -> list[str]:
        """The ids of the events that have come."""
        lines = self.raw.decode().split("\n")
        return [line[4:] for line in lines if line.startswith("id: ")]

    @property
    def is_over(self) -> bool:
        """Whether the answer is complete."""
        return self.done.called

    def leave(self) -> None:
        """Close the connection."""
        self.producer.stopProducing()


class Client:
    """A client of an endpoint that offers ``catalog``."""

    def __init__(self, limits: Limits | None = None, clock: Clock | None = None) -> None:
        self.clock = clock or Clock()
        self.catalog = Catalog()
        self.running: set[int] = set()
        self.endpoint = McpEndpoint(
            McpRegistry([self.catalog]),
            self.clock,
            limits=limits or Limits(),
            enter=lambda call: self.running.add(id(call)),
            leave=lambda call: self.running.discard(id(call)),
        )
        self.headers: dict[str, str] = {}
        self.principal = "alice"

    def http(
        self,
        method: str,
        body: object = b"",
        headers: Mapping[str, str] | None = None,
    ) -> Deferred[Reply]:
        """Send one HTTP request."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        common = {
            "accept": "application/json, text/event-stream",
            "content-type": "application/json",
        }
        call = McpCall(method, common | self.headers | (headers or {}), data, self.principal)
        return self.endpoint.handle(call)

    def post(self, body: object, headers: Mapping[str, str] | None = None) -> Reply:
        """POST, and return an answer that is there at once."""
        return answer(self.http("POST", body, headers))

    def initialize(
        self, revision: str = "2025-11-25", capabilities: object = None
    ) -> dict[str, Any]:
        """Open a session, and return the result."""
        params = {
            "protocolVersion": revision,
            "capabilities": capabilities or {},
            "clientInfo": {"name": "test", "version": "1"},
        }
        reply = self.post(request("initialize", params))
        self.headers["mcp-session-id"] = dict(reply.headers)["Mcp-Session-Id"]
        assert self.post(notification("notifications/initialized")).status == 202
        found: dict[str, Any] = json.loads(reply.body)["result"]
        return found

    def ask(self, method: str, params: object = None, id: object = 1) -> dict[str, Any]:  # noqa: A002
        """Send a request of a session, and return the answer that is there at once."""
        found: dict[str, Any] = json.loads(self.post(request(method, params, id)).body)
        return found

    def start(self, name: str, id: object = 1, **meta: Any) -> Deferred[Reply]:  # noqa: A002
        """Call a tool of a session."""
        params = {"name": name, "arguments": {}, "_meta": meta}
        return self.http("POST", request("tools/call", params, id))

    def listen(self, last: str = "") -> Reader:
        """Open the stream of a session, or one that was cut off."""
        headers = {"last-event-id": last} if last else {}
        return Reader(answer(self.http("GET", headers=headers)))

    def modern(
        self,
        method: str,
        params: Mapping[str, Any] | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        meta: Mapping[str, Any] | None = None,
        id: object = 1,  # noqa: A002
    ) -> Deferred[Reply]:
        """Send a request of the revision without sessions."""
        params = dict(params or {})
        own = {
            f"{META}protocolVersion": MODERN,
            f"{META}clientCapabilities": {"elicitation": {}, "sampling": {}, "roots": {}},
        }
        params["_meta"] = own | dict(meta or {})
        common = {"mcp-protocol-version": MODERN, "mcp-method": method}
        named = params.get("name") or params.get("uri")
        if named:
            common["mcp-name"] = named
        return self.http("POST", request(method, params, id), common | dict(headers or {}))


def request(method: str, params: object = None, id: object = 1) -> dict[str, Any]:  # noqa: A002
    """Return a JSON-RPC request."""
    found = {"jsonrpc": "2.0", "id": id, "method": method}
    return found if params is None else {**found, "params": params}


def notification(method: str, params: object = None) -> dict[str, Any]:
    """Return a JSON-RPC notification."""
    found = {"jsonrpc": "2.0", "method": method}
    return found if params is None else {**found, "params": params}


def answer(reply: Deferred[Reply]) -> Reply:
    """Return an answer that is there."""
    found: list[Reply] = []
    reply.addCallback(found.append)
    assert found, "there is no answer yet"
    return found[0]


def result(reply: Reply) -> dict[str, Any]:
    """Return the result in a whole answer."""
    assert reply.status == 200, reply.body
    found: dict[str, Any] = json.loads(reply.body)["result"]
    return found


def error(reply: Reply) -> dict[str, Any]:
    """Return the error in a whole answer."""
    found: dict[str, Any] = json.loads(reply.body)["error"]
    return found
