"""Attacks on a gateway that others can reach."""

from __future__ import annotations

from typing import Any

import pytest

from antigravity.config.secret import Secret
from antigravity.web.tunnel_access import TunnelAccess
from tests.web.builders import WebHarness

KEY = "sk-right"
#: Ways to be reachable, of which each demands the key in mode ``auto``.
REACHABLE: tuple[dict[str, Any], ...] = (
    {"allow_lan_access": True},
    {"listen": ["tcp:8045"]},
    {"listen": ["tcp:8045:interface=0.0.0.0"]},
    {"listen": ["tcp6:8045:interface=\\:\\:"]},
    {"listen": ["tcp:8045:interface=127.0.0.1", "tcp:8045:interface=192.168.1.7"]},
    {"listen": ["unix:/run/a.sock", "ssl:8045:privateKey=a.pem"]},
)
#: Addresses of clients: none of them is excused from the key.
PEERS = ("127.0.0.1", "::1", "::ffff:127.0.0.1", "192.168.1.9", "169.254.1.1", "fe80::1", "::")
#: What pretends that a request comes from this machine, or is for another path.
PRETENCES = (
    "X-Forwarded-For: 127.0.0.1",
    "X-Forwarded-Host: localhost",
    "X-Real-IP: ::1",
    "Forwarded: for=127.0.0.1;host=localhost",
    "X-Original-URL: /healthz",
    "X-Rewrite-URL: /healthz",
    "X-HTTP-Method-Override: OPTIONS",
    "X-Forwarded-Prefix: /files",
    "Cookie: key=sk-right",
    "Proxy-Authorization: Bearer sk-right",
    "Authorization: Basic c2stcmlnaHQ=",
    "Authorization: sk-right",
)


def web(**proxy: Any) -> WebHarness:
    return WebHarness(**{"api_key": Secret(KEY), **proxy})


@pytest.mark.parametrize("way", REACHABLE)
@pytest.mark.parametrize("peer", PEERS)
def test_key_is_required_on_every_listener_that_others_can_reach(
    way: dict[str, Any], peer: str
) -> None:
    gateway = web(**way)
    gateway.connect(peer)
    assert gateway.request("GET", "/v1/models").status == 401
    assert gateway.request("GET", "/healthz").status == 200
    assert gateway.request("GET", "/v1/models", None, f"x-api-key: {KEY}").status == 200


@pytest.mark.parametrize("mode", ["strict", "all_except_health"])
@pytest.mark.parametrize("pretence", PRETENCES)
def test_no_header_replaces_the_key(mode: str, pretence: str) -> None:
    gateway = web(auth_mode=mode)
    for path in ("/v1/models", "/readyz", "/mcp", "/v1/api/event_logging", "/"):
        assert gateway.request("GET", path, None, pretence).status == 401, path


@pytest.mark.parametrize(
    "path",
    [
        "/healthz/../v1/models",
        "/healthz/v1/models",
        "/healthz%2f..%2fv1/models",
        "/healthz;/v1/models",
        "/./healthz",
        "//localhost/healthz",
        "/%68ealthz",
        "/healthz%00",
        "/HEALTHZ",
        "/v1/healthz",
        "/openai/healthz",
    ],
)
def test_mode_all_except_health_opens_only_the_health_path(path: str) -> None:
    assert web(auth_mode="all_except_health").request("GET", path).status == 401


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "PROPFIND", "CONNECT"])
def test_health_path_only_reports_health(method: str) -> None:
    gateway = web(auth_mode="all_except_health")
    assert gateway.request(method, "/healthz").status == 405
    assert gateway.exchange.calls == []


@pytest.mark.parametrize(
    "path",
    [
        "/files/../v1/models",
        "/files/v1/models",
        "/files/v1/models/gpt-5.1",
        "/files/readyz",
        "/files//v1/models",
        "/files/%2e%2e/v1/models",
        "/files/..%2fv1%2fmodels",
        "/files/v1beta/models",
        "/files/mcp",
        "/files/admin/status",
        "/files/v1/chat/completions",
    ],
)
def test_path_of_files_leads_to_no_other_path(path: str) -> None:
    gateway = web(auth_mode="strict", admin_key=Secret("sk-admin"))
    for method in ("GET", "HEAD"):
        assert gateway.request(method, path).status == 404
    assert gateway.request("POST", path, b"{}").status == 401
    assert gateway.exchange.calls == []


@pytest.mark.parametrize(
    ("method", "path"),
    [("OPTIONS", "/v1/messages"), ("GET", "/files/x"), ("POST", "/healthz"), ("GET", "/healthz")],
)
def test_request_without_key_has_a_small_body_limit(method: str, path: str) -> None:
    gateway = web(auth_mode="all_except_health")
    assert gateway.request(method, path, b"x" * 1000).status != 413
    gateway.connect()
    assert gateway.request(method, path, b"x" * 100_000).status == 413
    gateway.connect()
    head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    gateway.send(head.encode() + b"10000\r\n" + b"x" * 0x10000 + b"\r\n10\r\n")
    gateway.send(b"x" * 16)
    assert [each.status for each in gateway.responses()] == [413]


@pytest.mark.parametrize("mode", ["off", "all_except_health"])
@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1", 200),
        ("192.168.1.7:8045", 200),
        ("[fe80::1]:8045", 200),
        ("[fe80::1%25eth0]:8045", 200),
        ("[fe80::1%eth0]", 200),
        ("[::ffff:192.168.1.7]", 200),
        ("169.254.10.20", 200),
        ("box.local", 200),
        ("box", 200),
        ("evil.local", 403),
        ("box.local.evil.example", 403),
        ("evil.example", 403),
        ("192.168.1.7.evil.example", 403),
        ("localhost@evil.example", 400),
        ("evil.example#localhost", 400),
        ("[fe80::1%evil/]", 400),
    ],
)
def test_host_names_that_others_can_choose_are_refused_on_a_network(
    mode: str, host: str, status: int
) -> None:
    gateway = web(allow_lan_access=True, auth_mode=mode)
    gateway.app.admission._hostname = "Box"
    gateway.configure()
    assert gateway.request("GET", "/healthz", host=host).status == status


def test_two_hosts_and_a_target_of_another_host_are_refused() -> None:
    gateway = web(allow_lan_access=True)
    assert gateway.request("GET", "/healthz", None, "Host: localhost").status == 400
    gateway.connect()
    assert gateway.request("GET", "http://evil.example/healthz").status == 403
    gateway.connect()
    assert gateway.request("GET", "ftp://localhost/healthz").status == 400


@pytest.mark.parametrize(
    "origin", ["http://127.0.0.1:8045", "http://192.168.1.7", "null", "", "http://localhost"]
)
def test_foreign_origin_is_refused_with_and_without_the_key(origin: str) -> None:
    gateway = web(allow_lan_access=True)
    for keys in ((), (f"x-api-key: {KEY}",)):
        gateway.connect("192.168.1.9")
        response = gateway.request("POST", "/v1/messages", b"{}", f"Origin: {origin}", *keys)
        assert response.status == 403
    assert gateway.exchange.calls == []


@pytest.mark.parametrize("pretence", PRETENCES)
def test_key_is_required_through_the_tunnel(pretence: str) -> None:
    gateway = web(auth_mode="all_except_health", admin_key=Secret("sk-admin"))
    gateway.close()
    access = TunnelAccess()
    access.names = frozenset({"name.trycloudflare.com"})
    gateway.site = gateway.app.site(gateway.clock, access)
    for host in ("name.trycloudflare.com", "localhost", "127.0.0.1"):
        gateway.connect()
        assert gateway.request("GET", "/v1/models", None, pretence, host=host).status == 401
        gateway.connect()
        response = gateway.request("GET", "/admin/status", None, "x-api-key: sk-admin", host=host)
        assert response.status == 404


@pytest.mark.parametrize("peer", ["192.168.1.9", "::ffff:10.0.0.1", "fe80::1", "169.254.1.1"])
def test_forwarded_request_is_not_loopback(peer: str) -> None:
    gateway = web(allow_lan_access=True)
    gateway.connect(peer)
    gateway.request("POST", "/v1/messages", b"{}", f"x-api-key: {KEY}")
    assert not gateway.exchange.call.loopback
