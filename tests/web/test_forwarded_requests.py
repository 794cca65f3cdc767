"""Requests through a proxy are not local, and browsers do not take responses for pages."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from twisted.logger import formatEvent, globalLogPublisher

from antigravity.interfaces.files import PublishedFile
from tests.web.builders import WebHarness

CHAT = "/v1/chat/completions"


@pytest.mark.parametrize(
    "name",
    [
        "Via",
        "Forwarded",
        "X-Forwarded-For",
        "X-Forwarded-Port",
        "X-Forwarded-Server",
        "X-Forwarded",
        "X-Original-Forwarded-For",
        "X-Client-IP",
        "True-Client-IP",
        "Client-IP",
        "CF-Visitor",
        "Cf-Warp-Tag-Id",
        "Fly-Client-IP",
    ],
)
def test_headers_of_proxies_make_a_request_remote(name: str) -> None:
    web = WebHarness()
    web.request("POST", CHAT, b"{}", f"{name}: x")
    assert not web.exchange.call.loopback


@pytest.mark.parametrize(
    ("address", "loopback"),
    [
        ("127.9.9.9", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("::1:2", False),
        ("::10", False),
        ("::ffff:10.0.0.1", False),
        ("128.0.0.1", False),
    ],
)
def test_loopback_addresses_are_local(address: str, loopback: bool) -> None:
    web = WebHarness()
    web.connect(address)
    web.request("POST", CHAT, b"{}")
    assert web.exchange.call.loopback is loopback


@pytest.mark.parametrize("path", ["/", "/v1/messages", "/nowhere", "/files/x", "/mcp"])
def test_every_response_forbids_content_sniffing(path: str) -> None:
    assert WebHarness().request("GET", path).headers["x-content-type-options"] == "nosniff"


@pytest.fixture
def logged() -> Iterator[list[str]]:
    lines: list[str] = []

    def observe(event: dict[str, object]) -> None:
        lines.append(formatEvent(event) + repr(event))

    globalLogPublisher.addObserver(observe)
    yield lines
    globalLogPublisher.removeObserver(observe)


def test_names_of_files_are_not_logged(logged: list[str]) -> None:
    web = WebHarness(log=True)
    web.exchange.files["SECRETNAME.png"] = PublishedFile("image/png", b"x", 9.0)
    assert web.request("GET", "/files/SECRETNAME.png").status == 200
    assert web.request("GET", "/files/SECRETNAME.png/x").status == 404
    assert any("GET /files/* 200" in line for line in logged)
    assert "SECRETNAME" not in "".join(logged)
