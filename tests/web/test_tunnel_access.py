"""Requests through the tunnel are remote, and do not reach the administration."""

from __future__ import annotations

import pytest

from antigravity.config.secret import Secret
from antigravity.web.tunnel_access import TunnelAccess
from tests.web.builders import WebHarness

NAME = "calm-river-blue.trycloudflare.com"
EDGE = ("CF-Ray: 8f0-FRA", "CF-Connecting-IP: 203.0.113.9", "X-Forwarded-For: 203.0.113.9")
CHAT = "/v1/chat/completions"


def web(**proxy: object) -> tuple[WebHarness, TunnelAccess]:
    """Return an application that is gateway through a tunnel called ``NAME``."""
    made = WebHarness(**proxy)
    made.close()
    access = TunnelAccess()
    access.names = frozenset({NAME})
    made.site = made.app.site(made.clock, access)
    made.connect()
    return made, access


@pytest.mark.parametrize("headers", [EDGE, ()], ids=["from the edge", "without a trace of it"])
def test_tunnel_request_is_never_loopback(headers: tuple[str, ...]) -> None:
    gateway, _ = web()
    assert gateway.request("POST", CHAT, b"{}", *headers, host=NAME).status == 200
    assert not gateway.exchange.call.loopback


@pytest.mark.parametrize("header", EDGE)
def test_request_of_a_tunnel_to_the_local_port_is_not_loopback(header: str) -> None:
    gateway = WebHarness()
    gateway.request("POST", CHAT, b"{}", header)
    assert not gateway.exchange.call.loopback


def test_host_name_of_the_tunnel_is_allowed_only_there_and_while_it_lasts() -> None:
    gateway, access = web()
    assert gateway.request("GET", "/healthz", host=NAME.upper() + ":443").status == 200
    assert gateway.request("GET", "/healthz", host="evil.example").status == 403
    access.names = frozenset({"other.trycloudflare.com"})
    assert gateway.request("GET", "/healthz", host=NAME).status == 403
    assert gateway.request("GET", "/healthz", host="other.trycloudflare.com").status == 200
    assert WebHarness().request("GET", "/healthz", host=NAME).status == 403


@pytest.mark.parametrize(
    "path",
    [
        "/admin/status",
        "/admin",
        "/dashboard",
        "/metrics",
        "/v1/metrics",
        "/dashboard/requests",
        "/%64ashboard",
        "/v1/dashboard/sign-in",
        "//admin//status",
        "/%61dmin/status",
        "/admin%2Fstatus",
        "/v1/admin/status",
        "/openai/v1beta/admin/tunnel/start",
        "/internal/warmup",
        "/v1/chat/completions/admin/reload",
    ],
)
def test_administration_is_not_available_through_the_tunnel(path: str) -> None:
    gateway, _ = web(admin_key=Secret("sk-admin"))
    response = gateway.request("POST", path, b"{}", "X-Api-Key: sk-admin", host=NAME)
    assert (response.status, "tunnel" in response.json["message"]) == (404, True)


def test_tunnel_does_not_tell_wrong_admin_keys_from_the_right_one() -> None:
    gateway, _ = web(admin_key=Secret("sk-admin"))
    for path in ("/metrics", "/admin/status", "/dashboard/sign-in"):
        statuses = {
            gateway.request("GET", path, None, f"X-Api-Key: {key}", host=NAME).status
            for key in ("sk-admin", "wrong")
        }
        assert statuses == {404}


def test_tunnel_requests_pass_the_same_admission_checks() -> None:
    gateway, _ = web(auth_mode="all_except_health", api_key=Secret("sk-right"))
    assert gateway.request("GET", "/healthz", host=NAME).status == 200
    assert gateway.request("GET", "/v1beta/models/gemini", host=NAME).status == 401
    assert gateway.request("GET", "/v1beta/models/gemini?key=sk-right", host=NAME).status == 200
    page = gateway.request("GET", "/healthz", None, "Origin: https://evil.example", host=NAME)
    assert page.status == 403
