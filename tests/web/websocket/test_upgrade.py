"""The handshake: who may connect, and what is agreed on."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from antigravity.config.secret import Secret
from tests.web.builders import parse
from tests.web.websocket.builders import KEY, SocketHarness

ASK = (
    ("Host", "localhost"),
    ("Connection", "Upgrade"),
    ("Upgrade", "websocket"),
    ("Sec-WebSocket-Version", "13"),
    ("Sec-WebSocket-Key", base64.b64encode(b"k" * 16).decode()),
)


def upgrade(path: str = "/v1/responses", method: str = "GET", **changes: Any) -> Any:
    """Return the response to a handshake, some of whose headers are changed or left out."""
    web = SocketHarness(connect=False, **changes.pop("settings", {}))
    headers = dict(ASK) | {name.replace("_", "-"): value for name, value in changes.items()}
    lines = [f"{name}: {value}" for name, value in headers.items() if value is not None]
    wire = "\r\n".join([f"{method} {path} HTTP/1.1", *lines, "", ""])
    web.channel.dataReceived(wire.encode())
    (response,) = parse(web.transport.value())
    web.close()
    return response


@pytest.mark.parametrize(
    "path",
    ["/v1/responses", "/responses", "/openai/v1/responses", "/v1/v1/responses", "/v1/responses/"],
)
def test_paths_of_posts_are_served(path: str) -> None:
    web = SocketHarness(path=path)
    assert web.handshake.status_code == 101
    web.stream()
    web.create()
    assert web.exchange.call.route.path == "/v1/responses"
    web.close()


@pytest.mark.parametrize("path", ["/v1/chat/responses", "/x/responses"])
def test_other_paths_need_http(path: str) -> None:
    assert upgrade(path).status == 426


def test_websocket_can_be_switched_off() -> None:
    response = upgrade(settings={"enabled": False})
    assert response.status == 426
    assert response.headers["upgrade"] == "HTTP/1.1"
    assert response.json["error"]["code"] == "websocket_not_supported"


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"Sec_WebSocket_Version": "12"}, 426),
        ({"Sec_WebSocket_Version": None}, 426),
        ({"Sec_WebSocket_Key": None}, 400),
        ({"Sec_WebSocket_Key": "short"}, 400),
        ({"Sec_WebSocket_Key": "AAAA"}, 400),
        ({"Sec_WebSocket_Key": "\xff" * 24}, 400),
        ({"Connection": "keep-alive"}, 400),
        ({"Host": "evil.example"}, 403),
        ({"Origin": "https://evil.example"}, 403),
    ],
)
def test_invalid_handshakes_are_refused(change: dict[str, Any], status: int) -> None:
    response = upgrade(**change)
    assert response.status == status
    if status == 426:
        assert response.headers["sec-websocket-version"] == "13"


def test_second_key_is_refused() -> None:
    key = dict(ASK)["Sec-WebSocket-Key"]
    assert upgrade(Sec_WebSocket_Key=f"{key}\r\nSec-WebSocket-Key: {key}").status == 400


def test_handshake_needs_the_key_of_the_gateway() -> None:
    proxy = {"auth_mode": "strict", "api_key": Secret(KEY)}
    for headers in ((), (("Authorization", "Bearer wrong-key"),)):
        web = SocketHarness(proxy=proxy, headers=headers)
        assert web.handshake.status_code == 401
        assert not web.exchange.calls
        web.clock.advance(60)
        web.close()
    web = SocketHarness(proxy=proxy, headers=[("Authorization", f"Bearer {KEY}")])
    assert web.handshake.status_code == 101
    web.stream()
    web.create()
    assert web.exchange.call.principal
    web.close()


def test_key_that_was_removed_is_refused_on_open_connections() -> None:
    proxy = {"auth_mode": "strict", "api_key": Secret(KEY)}
    web = SocketHarness(proxy=proxy, headers=[("Authorization", f"Bearer {KEY}")])
    changed = SocketHarness(connect=False, proxy={**proxy, "api_key": Secret("other")})
    web.app.configure(changed.settings)
    web.create()
    (error,) = web.messages()
    assert (error["type"], error["status"]) == ("error", 401)
    assert not web.exchange.calls
    web.close()
    changed.close()


def test_allowed_origin_may_connect() -> None:
    origin = "https://app.example"
    web = SocketHarness(proxy={"allowed_origins": [origin]}, headers=[("Origin", origin)])
    assert web.handshake.status_code == 101
    web.close()


def test_calls_have_headers_of_handshake() -> None:
    beta = "responses_websockets=2026-02-06, other=1"
    headers = [("OpenAI-Beta", beta), ("session-id", "s1"), ("X-Request-Id", "req-7")]
    web = SocketHarness(headers=headers)
    web.stream()
    web.create()
    call = web.exchange.call
    assert call.headers["openai-beta"] == "other=1"
    assert call.headers["session-id"] == "s1"
    assert not any("websocket" in name for name in call.headers)
    assert call.request_id == "req-7.1"
    web.close()


def test_subprotocol_of_openai_is_agreed_on() -> None:
    name = "openai-beta.responses.v1"
    assert upgrade(Sec_WebSocket_Protocol=f"x, {name}").headers["sec-websocket-protocol"] == name
    assert "sec-websocket-protocol" not in upgrade(Sec_WebSocket_Protocol="x").headers


def test_nothing_is_upgraded_during_shutdown() -> None:
    web = SocketHarness(connect=False)
    web.site.is_closing = True
    request = web.client.connect()
    web.client.send_request(request)
    web.flush()
    assert web.handshake.status_code == 503
    web.close()
