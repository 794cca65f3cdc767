"""The bridge for clients that speak lines: what becomes of each line, and of what comes back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from antigravity.ir.errors import UpstreamError
from antigravity.mcp.bridge import Bridge
from antigravity.mcp.client.http_connection import Address
from tests.mcp.fake_transport import RelayTarget, Response

SSE = {"content-type": "text/event-stream"}
META = "io.modelcontextprotocol/"
INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 0,
    "method": "initialize",
    "params": {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {}},
}
INITIALIZED = {"jsonrpc": "2.0", "method": "notifications/initialized"}


def call(id: object, method: str = "tools/list", **params: Any) -> dict[str, Any]:  # noqa: A002
    return {"jsonrpc": "2.0", "id": id, "method": method, "params": params}


def modern(id: object, method: str, **params: Any) -> dict[str, Any]:  # noqa: A002
    meta = {f"{META}protocolVersion": "2026-07-28", f"{META}clientCapabilities": {}}
    return call(id, method, _meta=meta, **params)


def cancel(id: object) -> dict[str, Any]:  # noqa: A002
    params = {"requestId": id}
    return {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": params}


def result(id: object, **value: Any) -> dict[str, Any]:  # noqa: A002
    return {"jsonrpc": "2.0", "id": id, "result": value}


def whole(message: object, status: int = 200, **headers: str) -> Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Response(status, named, json.dumps(message).encode())


OPENED = result(0, protocolVersion="2025-11-25", capabilities={})


#: Those of the test that runs.
CLIENTS: list[Client] = []


@pytest.fixture(autouse=True)
def none_is_left() -> Iterator[None]:
    """End the bridges of a test; else whatever runs when they are collected would be blamed."""
    yield
    while CLIENTS:
        CLIENTS.pop().running.cancel()


class Client:
    """A client and a gateway that are not there, with the bridge between them."""

    def __init__(self, *answers: Response | Exception) -> None:
        self.remote = RelayTarget(*answers)
        self.clock = Clock()
        self.read: list[Any] = []
        self.told: list[str] = []
        self.raw = b""
        address = Address("The gateway", "http://g/mcp", (("authorization", "Bearer K"),), 0.0)
        self.bridge = Bridge(self.remote, self.clock, address, self._write, self.told.append)
        self.over: list[Any] = []
        self.running = Deferred.fromCoroutine(self.bridge.run())
        self.running.addBoth(self.over.append)
        CLIENTS.append(self)

    def _write(self, line: bytes) -> None:
        assert b"\n" not in line
        self.raw += line
        self.read.append(json.loads(line))

    def say(self, *messages: object) -> None:
        for message in messages:
            self.bridge.feed(json.dumps(message).encode())

    def open(self, *more: Response | Exception) -> None:
        """Open a session, whose stream is that of the first of ``more``."""
        self.remote.answers += [whole(OPENED, mcp_session_id="s-1"), Response(202), *more]
        self.say(INITIALIZE, INITIALIZED)
        assert self.read.pop(0) == OPENED

    @property
    def sent(self) -> list[Any]:
        """What has gone up: a method, or ``GET`` and ``DELETE``, or a whole answer."""
        found = []
        for request in self.remote.requests:
            body = json.loads(request.body) if request.body else request.method
            found.append(body.get("method", body) if isinstance(body, dict) else body)
        return found


def test_bridge_opens_session_and_relays_requests() -> None:
    client = Client()
    stream = Response(headers=SSE)
    client.open(stream, whole(result(1, tools=[])))
    client.say(call(1))
    assert client.sent == ["initialize", "notifications/initialized", "GET", "tools/list"]
    assert client.read == [result(1, tools=[])]
    headers = client.remote.headers
    assert headers["mcp-session-id"] == "s-1"
    assert headers["mcp-protocol-version"] == "2025-11-25"
    assert headers["authorization"] == "Bearer K"
    assert "mcp-protocol-version" not in dict(client.remote.requests[0].headers)
    note = {"jsonrpc": "2.0", "method": "notifications/tools/list_changed"}
    stream.send(f"event: message\ndata: {json.dumps(note)}\n\n".encode())
    assert client.read[-1] == note
    client.bridge.end()
    assert client.over == [None]
    assert client.sent[-1] == "DELETE"
    assert stream.aborted
    assert client.told == []


def test_bridge_holds_lines_until_session_is_open() -> None:
    client = Client()
    client.remote.hold = True
    client.say(INITIALIZE, INITIALIZED, call(1))
    assert client.sent == ["initialize"]
    client.remote.hold = False
    client.remote.answers += [Response(202), Response(405), whole(result(1))]
    client.remote.waiting[0].callback(whole(OPENED, mcp_session_id="s-1"))
    assert client.sent == ["initialize", "notifications/initialized", "GET", "tools/list"]


def test_bridge_sends_requests_concurrently() -> None:
    client = Client()
    slow = Response(headers=SSE)
    client.open(Response(405), slow, whole(result(2)))
    client.say(call(1), call(2))
    assert [message["id"] for message in client.read] == [2]
    slow.send(f"data: {json.dumps(result(1))}\n\n".encode())
    assert [message["id"] for message in client.read] == [2, 1]


def test_bridge_sets_headers_of_stateless_revision() -> None:
    client = Client(whole(result(1, tools=[])))
    client.say(modern(1, "tools/list"))
    headers = client.remote.headers
    assert headers["mcp-protocol-version"] == "2026-07-28"
    assert headers["mcp-method"] == "tools/list"
    assert "mcp-name" not in headers
    client.say(modern(2, "tools/call", name="Zürich"))
    assert client.remote.headers["mcp-name"] == "=?base64?WsO8cmljaA==?="
    client.say(modern(3, "resources/read", uri="x://y"))
    assert client.remote.headers["mcp-name"] == "x://y"


def test_bridge_repeats_marked_arguments_in_headers() -> None:
    region = {"type": "string", "x-mcp-header": "Region"}
    tool = {"name": "where", "inputSchema": {"type": "object", "properties": {"r": region}}}
    client = Client(whole(result(1, tools=[tool, {"name": "x"}])))
    client.say(
        modern(1, "tools/list"), modern(2, "tools/call", name="where", arguments={"r": "eu"})
    )
    assert client.remote.headers["mcp-param-region"] == "eu"


def test_bridge_cancels_by_closing_without_session_and_by_message_with_one() -> None:
    client = Client()
    answer = Response(headers=SSE)
    client.remote.answers.append(answer)
    client.say(modern(1, "tools/call", name="x"), cancel(1))
    assert answer.aborted
    assert client.sent == ["tools/call"]
    assert client.read == []
    client = Client()
    answer = Response(headers=SSE)
    client.open(Response(405), answer, Response(202))
    client.say(call(1), cancel(1))
    assert not answer.aborted
    assert client.sent[-1] == "notifications/cancelled"


def test_bridge_reopens_lost_session_silently() -> None:
    client = Client()
    stream = Response(headers=SSE)
    client.open(stream)
    client.remote.answers += [
        Response(404),
        whole(OPENED, mcp_session_id="s-2"),
        Response(202),
        whole(result(5)),
    ]
    client.say(call(5))
    assert client.read == [result(5)]
    assert client.remote.headers["mcp-session-id"] == "s-2"
    assert client.sent[3:] == [
        "tools/list",
        "initialize",
        "notifications/initialized",
        "tools/list",
    ]
    assert "a new one is open" in client.told[0]


def test_bridge_reopens_lost_session_once_for_several_requests() -> None:
    client = Client()
    client.open(Response(405))
    client.remote.hold = True
    client.say(call(1), call(2))
    client.remote.hold = False
    client.remote.answers += [whole(OPENED, mcp_session_id="s-2"), Response(202)]
    client.remote.answers += [whole(result(1)), whole(result(2))]
    for waiting in client.remote.waiting:
        waiting.callback(Response(404))
    assert client.sent.count("initialize") == 2
    assert sorted(message["id"] for message in client.read) == [1, 2]


def test_bridge_resumes_session_stream_after_it_ends() -> None:
    client = Client()
    first, second = Response(headers=SSE), Response(headers=SSE)
    client.open(first, second)
    first.send(b"id: n-1\ndata:\n\n")
    first.end()
    client.clock.advance(1)
    assert client.sent[-1] == "GET"
    assert client.remote.headers["last-event-id"] == "n-1"
    client.remote.answers += [UpstreamError("connection refused by g:80"), Response(404)]
    client.remote.answers += [whole(OPENED, mcp_session_id="s-2"), Response(202)]
    client.remote.answers += [Response(headers=SSE)]
    second.end(UpstreamError("broke off"))
    for _ in range(8):
        client.clock.advance(1)
    assert client.sent[-1] == "GET"
    assert client.remote.headers["mcp-session-id"] == "s-2"


def test_bridge_returns_error_when_gateway_is_unreachable() -> None:
    client = Client(UpstreamError("connection refused by g:80"))
    client.say(modern(7, "tools/list"))
    (answer,) = client.read
    assert (answer["id"], answer["error"]["code"]) == (7, -32603)
    assert "connection refused" in answer["error"]["message"]
    assert "connection refused" in client.told[0]
    client.remote.answers.append(whole(result(8)))
    client.say(modern(8, "tools/list"))
    assert client.read[-1] == result(8)


def test_bridge_returns_error_when_key_is_rejected() -> None:
    client = Client(Response(401, body=b"{}"))
    client.say(INITIALIZE)
    assert "rejected the key" in client.read[0]["error"]["message"]
    assert client.read[0]["id"] == 0


def test_bridge_rejects_invalid_json_itself() -> None:
    client = Client()
    client.bridge.feed(b"hello")
    client.bridge.feed(b"  ")
    assert [message["error"]["code"] for message in client.read] == [-32700]
    assert client.remote.requests == []


def test_bridge_relays_server_requests_and_client_responses() -> None:
    client = Client()
    stream = Response(headers=SSE)
    client.open(Response(405), stream, Response(202))
    client.say(call(1, "tools/call", name="x"))
    question = call("gateway-1", "elicitation/create", message="Who?")
    stream.send(f"data: {json.dumps(question)}\n\n".encode())
    assert client.read == [question]
    answer = result("gateway-1", action="decline")
    client.say(answer)
    assert client.sent[-1] == answer


def test_bridge_writes_multiline_message_on_one_line() -> None:
    client = Client(Response(body=json.dumps(result(1, a="x\ny"), indent=2).encode()))
    client.say(modern(1, "tools/list"))
    assert client.read == [result(1, a="x\ny")]


def test_bridge_relays_batch() -> None:
    client = Client()
    client.open(Response(405), whole([result(1), result(2)]))
    client.say([call(1), call(2)])
    assert client.read == [[result(1), result(2)]]


def test_bridge_waits_for_responses_at_end_of_input_until_limit() -> None:
    client = Client()
    slow, listening = Response(headers=SSE), Response(headers=SSE)
    client.remote.answers += [slow, listening]
    client.say(modern(1, "tools/call", name="x"), modern(2, "subscriptions/listen"))
    assert client.remote.requests[1].timeouts.idle == 0
    client.bridge.end()
    assert client.over == []
    assert listening.aborted
    slow.send(f"data: {json.dumps(result(1))}\n\n".encode())
    assert client.over == [None]
    client = Client(Response(headers=SSE))
    client.say(modern(1, "tools/call", name="x"))
    client.bridge.end()
    client.clock.advance(10)
    assert client.over == [None]
    assert client.clock.getDelayedCalls() == []
