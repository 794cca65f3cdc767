"""Misspelt paths are corrected, right ones never changed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from klein import Klein
from msgspec import structs
from werkzeug.exceptions import HTTPException

from antigravity.ir.errors import GatewayError, InvalidRequestError, NotFoundError
from antigravity.web.path_corrections import corrections
from antigravity.web.routing_table import (
    Candidate,
    MatchedRule,
    NoSuchMethodError,
    RoutingTable,
    add_converters,
    shared_routes,
)
from tests.web.builders import WebHarness, protocols

KLEIN = Klein()
add_converters(KLEIN)
ROUTES = {route.endpoint: route for route in shared_routes(protocols())}
for _route in ROUTES.values():
    KLEIN.url_map.add(MatchedRule(_route.rule, methods=[_route.method], endpoint=_route.endpoint))
TABLE = RoutingTable(KLEIN, ROUTES.values())
GOOGLE = ("x-goog-api-key",)
CLAUDE = {"anthropic-version": "2023-06-01"}


class Resolved(NamedTuple):
    """What a request is routed to."""

    candidate: Candidate
    arguments: dict[str, str]
    path: str


def resolve(
    method: str, path: str, headers: dict[str, str], credentials: Sequence[str] = ()
) -> Resolved:
    """Route a request as the application does."""
    protocol, served = "", path
    try:
        endpoint, values = TABLE.match(method, path)
    except HTTPException:
        endpoint, values, served, protocol = structs.astuple(TABLE.correct(method, path))
    candidate = ROUTES[endpoint].choose(headers, credentials, protocol)
    return Resolved(candidate, dict(zip(candidate.names, values.values(), strict=True)), served)


@pytest.mark.parametrize(
    ("method", "gateway", "served", "protocol"),
    [
        ("POST", "/v1/v1/chat/completions", "/v1/chat/completions", "openai_chat"),
        ("POST", "/chat/completions", "/v1/chat/completions", "openai_chat"),
        ("POST", "/completions", "/v1/completions", "openai_chat"),
        ("POST", "/messages", "/v1/messages", "anthropic"),
        ("POST", "/messages/count_tokens", "/v1/messages/count_tokens", "anthropic"),
        ("POST", "/responses", "/v1/responses", "openai_responses"),
        ("GET", "/models", "/v1/models", "openai_chat"),
        ("GET", "/models/gpt-5", "/v1/models/gpt-5", "openai_chat"),
        ("POST", "/v1/chat/completions/responses", "/v1/responses", "openai_responses"),
        ("POST", "/v1/responses/chat/completions", "/v1/chat/completions", "openai_chat"),
        ("POST", "/v1/chat/completions/chat/completions", "/v1/chat/completions", "openai_chat"),
        ("POST", "/v1/chat/completions/v1/messages", "/v1/messages", "anthropic"),
        ("POST", "/v1/messages/v1/messages", "/v1/messages", "anthropic"),
        ("POST", "/v1/messages/messages", "/v1/messages", "anthropic"),
        ("POST", "/v1/messages/v1/messages/count_tokens", "/v1/messages/count_tokens", "anthropic"),
        ("GET", "/v1/chat/completions/models", "/v1/models", "openai_chat"),
        ("POST", "/v1/messages/", "/v1/messages", "anthropic"),
        ("POST", "//v1//messages", "/v1/messages", "anthropic"),
        ("POST", "/openai/v1/chat/completions", "/v1/chat/completions", "openai_chat"),
        ("POST", "/cursor/chat/completions", "/v1/chat/completions", "openai_chat"),
        ("POST", "/v1/openai/chat/completions", "/v1/chat/completions", "openai_chat"),
        ("POST", "/v1beta/openai/chat/completions", "/v1/chat/completions", "openai_chat"),
        ("POST", "/api/v1/chat/completions", "/v1/chat/completions", "openai_chat"),
        ("POST", "/anthropic/v1/messages", "/v1/messages", "anthropic"),
        ("GET", "/anthropic/v1/models", "/v1/models", "anthropic"),
        ("GET", "/gemini/v1/models/x", "/v1/models/x", "gemini"),
        ("POST", "/v1beta/v1beta/models/g:countTokens", "/v1beta/models/g:countTokens", "gemini"),
        ("POST", "/v1/v1beta/models/g:countTokens", "/v1beta/models/g:countTokens", "gemini"),
        ("POST", "/models/g:countTokens", "/v1/models/g:countTokens", "gemini"),
        ("POST", "/v1alpha/models/g:generateContent", "/v1/models/g:generateContent", "gemini"),
        ("POST", "/v1/v1beta/models/g%3AcountTokens", "/v1beta/models/g%3AcountTokens", "gemini"),
    ],
)
def test_misspelt_path_is_corrected(method: str, gateway: str, served: str, protocol: str) -> None:
    match = resolve(method, gateway, {})
    assert (match.path, match.candidate.protocol.name) == (served, protocol)
    assert resolve(method, served, {}).path == served


@pytest.mark.parametrize(
    ("method", "path", "protocol", "operation", "tag", "arguments"),
    [
        ("POST", "/v1/messages", "anthropic", "generate", "", {}),
        ("GET", "/v1/models/claude", "anthropic", "list_models", "claude", {}),
        ("GET", "/v1/models/claude-x", "openai_chat", "get_model", "", {"model": "claude-x"}),
        ("HEAD", "/v1/models", "openai_chat", "list_models", "", {}),
        ("GET", "/v1beta/models", "gemini", "list_models", "", {}),
        ("POST", "/v1beta/models/g:generateContent", "gemini", "generate", "", {"model": "g"}),
        (
            "POST",
            "/v1/models/g:streamGenerateContent",
            "gemini",
            "generate",
            "stream",
            {"model": "g"},
        ),
        ("POST", "/v1/models/g/countTokens", "gemini", "count_tokens", "", {"model": "g"}),
        ("POST", "/v1beta/models/a/b:generateContent", "gemini", "generate", "", {"model": "a/b"}),
        (
            "POST",
            "/v1beta/models/a%2Fb%3AgenerateContent",
            "gemini",
            "generate",
            "",
            {"model": "a/b"},
        ),
        ("POST", "/v1beta/models/a:b:generateContent", "gemini", "generate", "", {"model": "a:b"}),
        ("GET", "/v1/models/a%2Fb", "openai_chat", "get_model", "", {"model": "a/b"}),
        ("GET", "/v1/models/a%2fb%20%C3%BC", "openai_chat", "get_model", "", {"model": "a/b ü"}),
        ("GET", "/v1/models/a%252Fb", "openai_chat", "get_model", "", {"model": "a%2Fb"}),
        ("GET", "/v1/models/a/b", "gemini", "get_model", "", {"model": "a/b"}),
        ("POST", "/v1/%6Dessages", "anthropic", "generate", "", {}),
    ],
)
def test_path_is_routed_with_its_arguments(
    method: str, path: str, protocol: str, operation: str, tag: str, arguments: dict[str, str]
) -> None:
    match = resolve(method, path, {})
    assert match.candidate.protocol.name == protocol
    assert (match.candidate.route.operation, match.candidate.route.tag) == (operation, tag)
    assert match.arguments == arguments
    assert match.path == path


@pytest.mark.parametrize("path", ["/v1/models", "/v1/models/m"])
def test_shared_path_is_routed_by_the_headers(path: str) -> None:
    def gateway(headers: dict[str, str], credentials: tuple[str, ...] = ()) -> str:
        return str(resolve("GET", path, headers, credentials).candidate.protocol.name)

    assert gateway({}) == "openai_chat"
    assert gateway({}, ("authorization",)) == "openai_chat"
    assert gateway(CLAUDE) == "anthropic"
    assert gateway({}, GOOGLE) == "gemini"
    assert gateway(CLAUDE, GOOGLE) == "gemini"
    assert gateway({}, ("key",)) == "gemini"
    assert gateway(CLAUDE, ("key",)) == "anthropic"


def test_literal_path_is_preferred_to_the_headers() -> None:
    for credentials in ((), GOOGLE):
        match = resolve("GET", "/v1/models/claude", {}, credentials)
        assert (match.candidate.protocol.name, match.candidate.route.tag) == ("anthropic", "claude")


def test_wrong_method_error_names_the_allowed_ones() -> None:
    for path, allowed in (
        ("/v1/messages", ("POST",)),
        ("/v1/models", ("GET", "HEAD")),
        ("/v1beta/models/g:generateContent", ("GET", "HEAD", "POST")),
    ):
        with pytest.raises(NoSuchMethodError) as caught:
            resolve("DELETE", path, {})
        assert caught.value.allowed == allowed


@pytest.mark.parametrize("path", ["/v1beta/models/g", "/v1beta/models/g:write"])
def test_missing_verb_error_names_the_verbs(path: str) -> None:
    with pytest.raises(NoSuchMethodError, match=r"end the path with one of :.*:generateContent, "):
        resolve("POST", path, {})


def test_not_found_error_suggests_a_path() -> None:
    with pytest.raises(NotFoundError, match="Did you mean POST /v1/chat/completions"):
        resolve("POST", "/v1/chat/completion", {})
    with pytest.raises(NotFoundError, match=r"^Not found: GET /xyz\.$"):
        resolve("GET", "/xyz", {})


@pytest.mark.parametrize(
    ("path", "switch"),
    [
        ("/mcp", "mcp.enabled"),
        ("/mcp/", "mcp.enabled"),
        ("/mcp/web_search_prime/mcp", "proxy.zai.mcp.enabled and web_search_enabled"),
        ("/mcp/web_reader/mcp", "proxy.zai.mcp.enabled and web_reader_enabled"),
        ("/mcp/zai-mcp-server/mcp", "proxy.zai.mcp.enabled and vision_enabled"),
    ],
)
def test_error_for_a_disabled_endpoint_names_the_setting(path: str, switch: str) -> None:
    with pytest.raises(NotFoundError, match=f"{switch} in the configuration is off"):
        resolve("POST", path, {})


@pytest.mark.parametrize("path", ["/v1/models/%FF", "/v1/models/%00", "/v1/models/%C3"])
def test_undecodable_path_is_refused(path: str) -> None:
    with pytest.raises(InvalidRequestError):
        resolve("GET", path, {})


WORDS = ("v1", "v1beta", "v1alpha", "chat", "completions", "messages", "models", "responses")
ODD = ("openai", "anthropic", "api", "", "a%2Fb", "g:generateContent", "%00", "x", "..", "%")
SEGMENTS = st.sampled_from(WORDS + ODD)


@settings(deadline=None)
@given(st.lists(SEGMENTS, max_size=40), st.sampled_from(["GET", "POST"]))
def test_corrected_path_needs_no_further_correction(parts: list[str], method: str) -> None:
    path = "/" + "/".join(parts)
    readings = [correction.path for correction in corrections(path)]
    assert len(set(readings)) == len(readings) < 400
    assert path not in readings
    assert all("//" not in reading and reading.startswith("/") for reading in readings)
    try:
        match = resolve(method, path, {})
    except GatewayError:
        return
    again = resolve(method, match.path, {})
    assert (again.path, again.candidate.route.operation) == (
        match.path,
        match.candidate.route.operation,
    )
    assert list(again.arguments.values()) == list(match.arguments.values())


@settings(deadline=None)
@given(st.text(min_size=1).filter(lambda text: "\0" not in text and text.isprintable()))
def test_any_model_name_can_be_sent_in_the_path(model: str) -> None:
    from urllib.parse import quote

    path = f"/v1beta/models/{quote(model, safe='')}:generateContent"
    assert resolve("POST", path, {}).arguments == {"model": model}


def test_response_has_the_correction() -> None:
    web = WebHarness()
    response = web.request("POST", "/v1/v1/messages?beta=true", b"{}")
    assert response.headers["x-path-corrected"] == "/v1/v1/messages -> /v1/messages"
    assert web.exchange.protocol == "anthropic"
    assert web.exchange.call.query == {"beta": "true"}
    assert "x-path-corrected" not in web.request("POST", "/v1/messages", b"{}").headers
    telemetry = web.request("POST", "/api/event_logging/batch/", b"{}")
    assert telemetry.headers["x-path-corrected"].endswith("-> /v1/api/event_logging/batch")
    assert telemetry.body == b"{}"
    assert web.request("GET", "//healthz").json == {"status": "ok"}


def test_rules_have_no_functions_that_build_paths() -> None:
    """Werkzeug compiles them in a method that is its own; this fails if that has changed."""
    rule = next(KLEIN.url_map.iter_rules())
    with pytest.raises(NotImplementedError, match="builds no path"):
        rule.build({})
