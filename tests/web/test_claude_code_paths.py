"""The paths and headers of Claude Code's contract for gateways, as the web application reads them.

Source: https://code.claude.com/docs/en/llm-gateway-protocol
"""

from __future__ import annotations

import pytest

from antigravity.config.secret import Secret
from tests.web.builders import WebHarness


@pytest.mark.parametrize(
    ("method", "target", "operation"),
    [
        ("POST", "/v1/messages?beta=true", "generate"),
        ("POST", "/v1/messages/count_tokens?beta=true", "count_tokens"),
        ("GET", "/v1/models?limit=1000", "list_models"),
    ],
)
def test_endpoint_is_found_by_its_path_without_redirect(
    method: str, target: str, operation: str
) -> None:
    web = WebHarness()
    response = web.request(method, target, b"{}", "anthropic-version: 2023-06-01")
    assert response.status == 200
    assert web.exchange.call.route.operation == operation
    assert web.exchange.protocol == "anthropic"
    web.close()


@pytest.mark.parametrize("key", ["", "wrong"])
def test_start_probe_is_answered_or_refused_at_once(key: str) -> None:
    web = WebHarness()
    assert web.request("HEAD", "/api/hello").status == 200
    web.close()
    web = WebHarness(auth_mode="strict", api_key=Secret("key-of-the-gateway"))
    headers = (f"x-api-key: {key}",) if key else ()
    assert web.request("HEAD", "/api/hello", None, *headers).status == 401
    web.close()


def test_repeated_beta_header_is_one_list() -> None:
    web = WebHarness()
    head = b"POST /v1/messages HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n"
    web.send(head + b"Anthropic-Beta: a,b\r\nanthropic-beta: c\r\n\r\n{}")
    assert web.exchange.call.headers["anthropic-beta"] == "a,b,c"
    web.close()
