"""The gateway's own paths, errors, request ids, and routes of plugins."""

from __future__ import annotations

import re
import time
from typing import Any

import pytest
from treq.testing import StubTreq
from twisted.internet.defer import Deferred, succeed

from antigravity.config.secret import Secret
from antigravity.ir.errors import NotFoundError
from antigravity.web.host_policy import cors_headers
from tests.web.builders import WebHarness


def test_healthz_responds() -> None:
    web = WebHarness()
    response = web.request("GET", "/healthz")
    assert (response.status, response.body) == (200, b'{"status":"ok"}')
    assert response.headers["content-type"] == "application/json"


def test_readyz_reports_readiness() -> None:
    web = WebHarness()
    response = web.request("GET", "/readyz")
    assert (response.status, response.json) == (200, {"ready": True, "reasons": []})
    web.exchange.is_ready = False
    response = web.request("GET", "/readyz")
    assert (response.status, response.json["ready"]) == (503, False)


@pytest.mark.parametrize("path", ["/", "//"])
def test_root_responds_with_a_welcome(path: str) -> None:
    response = WebHarness().request("GET", path)
    assert response.status == 200
    assert response.headers["content-type"].startswith("text/plain")
    assert b"antigravity" in response.body


@pytest.mark.parametrize("path", ["/v1/api/event_logging", "/v1/api/event_logging/batch"])
@pytest.mark.parametrize("method", ["POST", "GET", "PUT"])
def test_telemetry_is_accepted_and_discarded(path: str, method: str) -> None:
    web = WebHarness()
    response = web.request(method, path, b"\xff not json")
    assert (response.status, response.body) == (200, b"{}")


def test_detect_responds_with_the_upstream() -> None:
    web = WebHarness()
    response = web.request("POST", "/v1/models/detect", b'{"model":"m","x":1}')
    assert response.json == {"model": "m", "upstream": "u"}
    for body in (b"", b"[]", b"{}", b'{"model":1}', b"\xff"):
        assert web.request("POST", "/v1/models/detect", body).status == 400
    web.exchange.detect = lambda model: _failed(NotFoundError("no such model"))  # type: ignore[method-assign]
    response = web.request("POST", "/v1/models/detect", b'{"model":"m"}')
    assert (response.status, response.json["shape"]) == (404, "openai_chat")
    web.request("GET", "/v1/models/detect")
    assert web.exchange.call.arguments == {"model": "detect"}


def _failed(error: Exception) -> Deferred[Any]:
    return Deferred(lambda _: None) if error is None else _fail(error)


def _fail(error: Exception) -> Deferred[Any]:
    from twisted.internet.defer import fail

    return fail(error)


@pytest.mark.parametrize("path", ["/v1/responses", "/responses", "/openai/v1/responses/"])
def test_websocket_request_is_refused_with_426(path: str) -> None:
    response = WebHarness().request(
        "GET", path, None, "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13"
    )
    assert (response.status, response.phrase) == (426, "Upgrade Required")
    assert response.json["shape"].startswith("openai")
    assert response.headers["upgrade"]
    assert response.headers["connection"] == "Upgrade"


@pytest.mark.parametrize(
    ("method", "path", "headers", "status", "shape"),
    [
        ("GET", "/v1/responses", [], 405, "openai_responses"),
        ("GET", "/v1/responses/a/b", [], 404, "openai_responses"),
        ("GET", "/v1/messages", [], 405, "anthropic"),
        ("DELETE", "/v1/models", ["anthropic-version: x"], 405, "anthropic"),
        ("GET", "/v1beta/nothing", [], 404, "gemini"),
        ("GET", "/nothing", [], 404, "openai_chat"),
        ("GET", "/nothing", ["anthropic-version: 2023-06-01"], 404, "anthropic"),
        ("GET", "/nothing", ["x-goog-api-key: k"], 404, "gemini"),
        ("GET", "/nothing?key=k", [], 404, "gemini"),
        ("POST", "/v1/chat/nothing", ["anthropic-version: x"], 404, "openai_chat"),
        ("POST", "/healthz", [], 405, "openai_chat"),
        ("GET", "/%ff", [], 400, "openai_chat"),
        ("GET", "/v1/models/%ff", [], 400, "openai_chat"),
        ("GET", "/?" + "&".join("a=1" for _ in range(300)), [], 400, "openai_chat"),
        ("BREW", "/v1/messages", [], 405, "anthropic"),
    ],
)
def test_errors_have_the_shape_of_the_clients_protocol(
    method: str, path: str, headers: list[str], status: int, shape: str
) -> None:
    web = WebHarness()
    response = web.request(method, path, None, *headers)
    assert (response.status, response.json["shape"]) == (status, shape)
    assert response.headers["content-type"] == "application/json"
    assert response.headers["x-request-id"]
    if status == 405:
        assert response.headers["allow"]


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        (["X-Request-Id: my-id.1"], "my-id.1"),
        (["x-client-request-id: other"], "other"),
        (["x-client-request-id: other", "X-Request-Id: mine"], "mine"),
        (["X-Request-Id: bad id"], None),
        (["X-Request-Id: " + "x" * 129], None),
        (["X-Request-Id: bad<", "x-client-request-id: good"], "good"),
        ([], None),
    ],
)
def test_request_id_is_taken_from_the_client_or_made(
    headers: list[str], expected: str | None
) -> None:
    web = WebHarness()
    first = web.request("POST", "/v1/messages", b"{}", *headers).headers["x-request-id"]
    assert web.exchange.call.request_id == first
    if expected is None:
        second = web.request("GET", "/nothing", None, *headers).headers["x-request-id"]
        assert first != second
        # The time comes first, so that the ids of an hour are neighbours in an index.
        assert re.fullmatch("req_[0-9a-f]{24}", first)
        assert abs(int(first[4:12], 16) - time.time()) < 86_400
    else:
        assert first == expected


def test_call_has_query_headers_and_origin_of_the_request() -> None:
    web = WebHarness()
    web.request(
        "POST", "/v1/messages?a=1&a=2&b=&$alt=json;enum-encoding=int", b"{}", "X-Y: 1", "X-Y: 2"
    )
    call = web.exchange.call
    assert call.query == {"a": "2", "b": "", "$alt": "json;enum-encoding=int"}
    assert call.headers["x-y"] == "2"
    assert call.loopback
    web.request("POST", "/v1/messages", b"{}", "X-Forwarded-For: 1.2.3.4")
    assert not web.exchange.calls[1][1].loopback
    web.connect("192.168.1.9")
    web.request("POST", "/v1/messages", b"{}")
    assert not web.exchange.calls[2][1].loopback


def test_plugins_may_add_routes() -> None:
    async def coroutine(request: Any, name: str) -> str:
        return await succeed(f"hello {name}")

    def broken(request: Any) -> bytes:
        raise NotFoundError("not today")

    web = WebHarness(
        [
            ("GET", "/plug", lambda request: b"plain"),
            ("POST", "/plug/<name>", coroutine),
            ("GET", "/broken", broken),
            ("ANY", "/any", lambda request: request.content.read()),
        ],
        auth_mode="strict",
        api_key=Secret("k"),
    )
    key = "x-api-key: k"
    assert web.request("GET", "/plug").status == 401
    response = web.request("GET", "/plug", None, key)
    assert (response.body, bool(response.headers["x-request-id"])) == (b"plain", True)
    assert web.request("POST", "/plug/you", b"", key).body == b"hello you"
    assert web.request("GET", "/broken", None, key).json["message"] == "not today"
    assert web.request("DELETE", "/any", b"body", key).body == b"body"
    web.close()


def test_resource_works_without_the_gateways_channel() -> None:
    web = WebHarness()
    client = StubTreq(web.app.resource())
    done: list[Any] = []
    client.post("http://localhost/v1/messages?x=1&key=k", data=b"{}").addCallback(done.append)
    client.flush()
    (response,) = done
    assert response.code == 200
    assert web.exchange.call.body == b"{}"
    assert web.exchange.call.query == {"x": "1"}
    client.get("http://evil.example/v1/models").addCallback(done.append)
    client.flush()
    assert done[1].code == 403


def test_no_cors_headers_without_an_origin() -> None:
    assert cors_headers("") == ()


def test_empty_key_is_logged_at_startup() -> None:
    from twisted.internet.testing import EventLoggingObserver
    from twisted.logger import globalLogPublisher

    logged = EventLoggingObserver()
    globalLogPublisher.addObserver(logged)
    try:
        WebHarness(auth_mode="strict")
    finally:
        globalLogPublisher.removeObserver(logged)
    assert any("no key is set" in str(event.get("problem")) for event in logged)
