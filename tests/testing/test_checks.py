"""Checks of objects that have all methods but behave incorrectly."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from antigravity.ir.call import HttpReply
from antigravity.ir.errors import GatewayError
from antigravity.ir.events import TextDelta
from antigravity.plugins import PluginHost
from antigravity.testing.client_checks import check_client_protocol
from antigravity.testing.mcp_checks import check_mcp_tool
from antigravity.testing.offline_services import offline_services
from antigravity.testing.rule_checks import check_selection_policy
from antigravity.testing.server_checks import check_server_protocol
from antigravity.testing.upstream_checks import check_upstream_kind

Check = Callable[[Any], Iterator[str]]


class Changed:
    """An object like another but for some attributes."""

    def __init__(self, original: Any, **changed: Any) -> None:
        self._original = original
        vars(self).update(changed)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._original, name)


@pytest.fixture(scope="module")
def registry() -> Any:
    host = PluginHost()
    host.load(installed=False)
    return host.registry


class EndlessEncoder:
    content_type = "text/plain"

    def encode(self, event: Any) -> bytes:
        return event.text.encode() if isinstance(event, TextDelta) else b""

    def keepalive(self) -> bytes:
        return b""

    def end(self) -> bytes:
        return b"the end"


def silent(error: GatewayError, request_id: str) -> HttpReply:
    return HttpReply(200, b"{}")


def test_check_reports_server_that_hides_errors(registry: Any) -> None:
    faults = list(
        check_server_protocol(Changed(registry.servers["anthropic"], encode_error=silent))
    )
    assert "encodes NotFoundError with status 200" in faults
    assert "does not contain the message of a RateLimitedError" in faults


def test_check_reports_stream_without_end(registry: Any) -> None:
    endless = Changed(registry.servers["gemini"], encoder=lambda context: EndlessEncoder())
    faults = " ".join(check_server_protocol(endless))
    assert "continues after its end" in faults
    assert "continues after an error" in faults
    assert "does not contain the message of an error" in faults
    assert "without a Finish" in faults


def test_check_reports_server_without_routes(registry: Any) -> None:
    hidden = Changed(registry.servers["gemini"], routes=())
    assert list(check_server_protocol(hidden)) == ["has no routes, so it is not reachable"]


def test_check_reports_client_that_ignores_error_types(registry: Any) -> None:
    deaf = Changed(
        registry.clients["openai_chat"],
        decode_error=lambda status, headers, body: GatewayError("Something went wrong."),
    )
    faults = " ".join(check_client_protocol(deaf))
    assert "does not decode a 401" in faults
    assert "does not decode a 429 as a RateLimitedError" in faults


class IncompleteDecoder:
    def decode(self, event: Any) -> list[Any]:
        return []

    def close(self) -> list[Any]:
        return []


def test_check_reports_decoder_that_accepts_incomplete_streams(registry: Any) -> None:
    gullible = Changed(
        registry.clients["openai_chat"], decoder=lambda request, target: IncompleteDecoder()
    )
    faults = " ".join(check_client_protocol(gullible))
    assert "treats a response that ends at once" in faults
    assert "one StreamFailure" in faults


def test_check_reports_policy_that_returns_no_selection() -> None:
    class Inventive:
        def select(self, candidates: Any, context: Any) -> Any:
            return ["somebody"]

    assert list(check_selection_policy(Inventive())) == ["does not return a Selection"]


def test_check_reports_tool_without_description() -> None:
    class Mute:
        input_schema: dict[str, Any] = {}
        description = ""

    assert len(list(check_mcp_tool(Mute()))) == 2


def test_check_reports_kind_that_builds_no_upstream(registry: Any) -> None:
    services = offline_services("mine", registry.clients)
    kind = Changed(registry.upstream_kinds["openai"], build=lambda settings, services: object())
    (fault,) = check_upstream_kind(kind, services, registry.embedding_clients)
    assert "IUpstream" in fault
    whole = registry.upstream_kinds["openai"]
    assert list(check_upstream_kind(whole, services, registry.embedding_clients)) == []
