"""Foreign host names and origins are refused."""

from __future__ import annotations

import pytest

from antigravity.config.settings import ProxySettings
from antigravity.ir.errors import GatewayError, PermissionDeniedError
from antigravity.web.host_policy import HostPolicy, host_name, normal_origin
from tests.web.builders import WebHarness


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("localhost", "localhost"),
        ("LocalHost:8045", "localhost"),
        ("localhost.:8045", "localhost"),
        ("[::1]:8045", "::1"),
        ("[::1]", "::1"),
        ("127.0.0.1:", "127.0.0.1"),
        ("", ""),
        (":80", ""),
        ("a b", ""),
        ("localhost:80:80", ""),
        ("localhost@evil.example", ""),
        ("evil.example/localhost", ""),
        ("::1", ""),
        ("localhost:8o", ""),
    ],
)
def test_host_header_is_parsed(host: str, name: str) -> None:
    assert host_name(host) == name


GOOD = ["127.0.0.1", "localhost:1", "[::1]:9"]
ADDRESSES = ["192.168.1.7:8045", "[fe80::1]", "127.0.0.2"]
EVIL = ["evil.example", "localhost.evil.example", "127.0.0.1.nip.io", "2130706433", "0x7f.1"]


@pytest.mark.parametrize(
    ("proxy", "good", "bad"),
    [
        ({}, GOOD, [*ADDRESSES, *EVIL, "box", "box.local"]),
        (
            {"allow_lan_access": True},
            [*GOOD, *ADDRESSES, "box:8045", "BOX", "box.local"],
            EVIL,
        ),
        (
            {"allowed_hosts": ["Gateway.example:443", "*.trusted.example"]},
            [*GOOD, "gateway.example", "gateway.example:80", "a.trusted.example"],
            [*EVIL, "trusted.example.evil.example", "eviltrusted.example", "x.gateway.example"],
        ),
        ({"allowed_hosts": ["*"]}, [*GOOD, *EVIL], []),
    ],
)
def test_only_allowed_hosts_are_accepted(
    proxy: dict[str, object], good: list[str], bad: list[str]
) -> None:
    origins = HostPolicy(ProxySettings(**proxy), hostname="Box")  # type: ignore[arg-type]
    for host in good * 2:
        origins.check_host(host)
    for host in bad * 2:
        with pytest.raises(PermissionDeniedError, match="allowed_hosts"):
            origins.check_host(host)
    for host in ("", "a b"):
        with pytest.raises(GatewayError):
            origins.check_host(host)


@pytest.mark.parametrize(
    ("origin", "normal"),
    [
        ("HTTPS://App.Example", "https://app.example"),
        ("https://app.example:443/", "https://app.example"),
        ("http://app.example:8080", "http://app.example:8080"),
        ("http://[::1]:80", "http://[::1]"),
        ("vscode-webview://abc", "vscode-webview://abc"),
        ("null", "null"),
        ("http://x:port", "http://x:port"),
    ],
)
def test_origins_are_compared_as_browsers_write_them(origin: str, normal: str) -> None:
    assert normal_origin(origin) == normal


def test_only_allowed_origins_are_accepted() -> None:
    listed = HostPolicy(ProxySettings(allowed_origins=["https://app.example/"]))
    assert listed.check_origin(None) == ""
    assert listed.check_origin("https://app.example") == "https://app.example"
    for origin in (
        "null",
        "http://app.example",
        "https://app.example.evil.example",
        "http://localhost:3000",
        "http://127.0.0.1:8045",
        "",
    ):
        with pytest.raises(PermissionDeniedError, match="allowed_origins"):
            listed.check_origin(origin)
    everybody = HostPolicy(ProxySettings(allowed_origins=["*"]))
    assert everybody.check_origin("http://localhost:3000") == "http://localhost:3000"


def test_foreign_origin_is_refused_first() -> None:
    web = WebHarness()
    for header in ("Origin: https://evil.example", "Origin: null"):
        response = web.request("POST", "/v1/messages", None, header, "Content-Length: 9")
        assert response.status == 403
        assert response.json["shape"] == "anthropic"
        assert "access-control-allow-origin" not in response.headers
        web.connect()
    assert web.request("GET", "/v1/models", None, host="evil.example").status == 403
    assert not web.exchange.calls


def test_two_origins_are_refused() -> None:
    web = WebHarness(allowed_origins=["https://a.example"])
    headers = ("Origin: https://evil.example", "Origin: https://a.example")
    assert web.request("GET", "/v1/models", None, *headers).status == 403


def test_allowed_origin_may_read_responses_and_errors() -> None:
    web = WebHarness(allowed_origins=["https://a.example"])
    for path, status in (("/v1/models", 200), ("/nowhere", 404)):
        response = web.request("GET", path, None, "Origin: https://a.example")
        assert response.status == status
        assert response.headers["access-control-allow-origin"] == "https://a.example"
        assert "X-Request-Id" in response.headers["access-control-expose-headers"]
        assert "Origin" in response.headers["vary"]
        assert "access-control-allow-credentials" not in response.headers
    assert "access-control-allow-origin" not in web.request("GET", "/v1/models").headers


def test_preflight_responds_for_allowed_origins() -> None:
    web = WebHarness(allowed_origins=["https://a.example"], auth_mode="strict")
    response = web.request(
        "OPTIONS",
        "/v1/messages",
        None,
        "Origin: https://a.example",
        "Access-Control-Request-Method: POST",
        "Access-Control-Request-Headers: content-type, x-api-key",
        "Access-Control-Request-Private-Network: true",
    )
    assert response.status == 204
    assert response.headers["access-control-allow-headers"] == "content-type, x-api-key"
    assert "POST" in response.headers["access-control-allow-methods"]
    assert response.headers["access-control-allow-private-network"] == "true"
    odd = web.request(
        "OPTIONS", "/", None, "Origin: https://a.example", "Access-Control-Request-Headers: a;b"
    )
    assert "access-control-allow-headers" not in odd.headers
    assert web.request("OPTIONS", "/", None, "Origin: https://evil.example").status == 403
    plain = web.request("OPTIONS", "/v1/messages")
    assert (plain.status, plain.headers["allow"]) == (204, "POST, OPTIONS")
    assert not web.exchange.calls


def test_absolute_target_replaces_the_host_header() -> None:
    web = WebHarness()
    assert web.request("GET", "http://127.0.0.1:8045/v1/models?limit=1").status == 200
    assert web.exchange.call.query == {"limit": "1"}
    assert web.request("GET", "http://evil.example/v1/models").status == 403
    assert web.request("GET", "nonsense").status == 400
