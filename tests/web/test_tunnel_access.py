"""Who comes through a tunnel is a stranger, and finds no way to what is the operator's."""

from __future__ import annotations

import pytest

from antigravity.config.secret import Secret
from antigravity.web.tunnel_access import TunnelAccess
from tests.web.builders import WebHarness

NAME = "calm-river-blue.trycloudflare.com"
EDGE = ("CF-Ray: 8f0-FRA", "CF-Connecting-IP: 203.0.113.9", "X-Forwarded-For: 203.0.113.9")
CHAT = "/v1/chat/completions"


def web(**proxy: object) -> tuple[WebHarness, TunnelAccess]:
    """Return an application that is asked through a tunnel called ``NAME``."""
    made = WebHarness(**proxy)
    made.close()
    entrance = TunnelAccess()
    entrance.names = frozenset({NAME})
    made.site = made.app.site(made.clock, entrance)
    made.connect()
    return made, entrance


@pytest.mark.parametrize("headers", [EDGE, ()], ids=["from the edge", "without a trace of it"])
def test_it_is_never_loopback_whatever_the_headers_say(headers: tuple[str, ...]) -> None:
    asked, _ = web()
    assert asked.ask("POST", CHAT, b"{}", *headers, host=NAME).status == 200
    assert not asked.exchange.call.loopback


@pytest.mark.parametrize("header", EDGE)
def test_a_tunnel_that_leads_to_the_gateways_own_port_is_not_loopback_either(header: str) -> None:
    asked = WebHarness()
    asked.ask("POST", CHAT, b"{}", header)
    assert not asked.exchange.call.loopback


def test_its_name_is_good_only_while_it_is_the_tunnels_and_only_there() -> None:
    asked, entrance = web()
    assert asked.ask("GET", "/healthz", host=NAME.upper() + ":443").status == 200
    assert asked.ask("GET", "/healthz", host="evil.example").status == 403
    entrance.names = frozenset({"other.trycloudflare.com"})
    assert asked.ask("GET", "/healthz", host=NAME).status == 403
    assert asked.ask("GET", "/healthz", host="other.trycloudflare.com").status == 200
    assert WebHarness().ask("GET", "/healthz", host=NAME).status == 403


@pytest.mark.parametrize(
    "path",
    [
        "/admin/status",
        "/admin",
        "//admin//status",
        "/%61dmin/status",
        "/admin%2Fstatus",
        "/v1/admin/status",
        "/openai/v1beta/admin/tunnel/start",
        "/internal/warmup",
        "/v1/chat/completions/admin/reload",
    ],
)
def test_the_operators_paths_are_not_there(path: str) -> None:
    asked, _ = web(admin_key=Secret("sk-admin"))
    answer = asked.ask("POST", path, b"{}", "X-Api-Key: sk-admin", host=NAME)
    assert (answer.status, "tunnel" in answer.json["message"]) == (404, True)


def test_everything_else_is_behind_the_same_door() -> None:
    asked, _ = web(auth_mode="all_except_health", api_key=Secret("sk-right"))
    assert asked.ask("GET", "/healthz", host=NAME).status == 200
    assert asked.ask("GET", "/v1beta/models/gemini", host=NAME).status == 401
    assert asked.ask("GET", "/v1beta/models/gemini?key=sk-right", host=NAME).status == 200
    page = asked.ask("GET", "/healthz", None, "Origin: https://evil.example", host=NAME)
    assert page.status == 403
