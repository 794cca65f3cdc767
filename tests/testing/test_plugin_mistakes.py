"""Checks report typical mistakes of plugins with their location."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from types import ModuleType
from typing import Any

import pytest
from msgspec import structs
from twisted.internet.defer import fail, succeed
from zope.interface import implementer

from antigravity.hookspecs import hookimpl
from antigravity.interfaces.embeddings import IEmbeddingKind
from antigravity.interfaces.mcp_values import PromptArgument
from antigravity.interfaces.protocols import EncodedRequest
from antigravity.interfaces.selection import Selection
from antigravity.interfaces.transport import OutgoingRequest
from antigravity.ir.call import HttpReply, Route
from antigravity.ir.errors import GatewayError, UnavailableError
from antigravity.ir.events import StreamFailure
from antigravity.ir.parts import ToolCall
from antigravity.plugins import PluginHost, PluginInfo
from antigravity.testing import load_plugin
from antigravity.testing.checks import check_registered
from antigravity.testing.client_checks import check_client_protocol
from antigravity.testing.embedding_checks import check_embedding_client, check_embedding_server
from antigravity.testing.mcp_checks import check_mcp_prompt, check_mcp_resource
from antigravity.testing.offline_services import offline_services
from antigravity.testing.rule_checks import (
    check_background_detector,
    check_selection_policy,
    check_warmup_filter,
)
from antigravity.testing.server_checks import check_server_protocol
from antigravity.testing.upstream_checks import check_upstream_kind


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


def test_builtin_plugins_pass_all_checks() -> None:
    host = PluginHost()
    host.load(installed=False)
    assert list(check_registered(host.registry, host.plugins())) == []


def said(check: Callable[[Any], Iterator[str]], candidate: Any) -> str:
    return "\n".join(check(candidate))


def raising(*arguments: object) -> Any:
    return {}["missing"]


class Absent:
    """A decoder that decodes nothing, and does not say so in a sequence."""

    def decode(self, event: Any) -> Any:
        return None if event.data != b"{garbage" else [StreamFailure(UnavailableError("No."))]

    def close(self) -> list[Any]:
        return []


def encode_calls(request: Any, target: Any) -> EncodedRequest:
    for message in request.messages:
        for part in message.parts:
            if isinstance(part, ToolCall):
                raising()
    return EncodedRequest(b"{}")


def encode_names(request: Any, target: Any) -> EncodedRequest:
    return EncodedRequest(json.dumps([tool.name for tool in request.tools]).encode())


@pytest.mark.parametrize(
    ("changed", "fault"),
    [
        ({"encode": encode_names}, "at a request with tools that the provider runs"),
        ({"traits": {"family": "other"}}, "traits that are dict"),
        ({"encode": lambda request, target: b"{}"}, "encodes a question as bytes"),
        ({"encode": lambda request, target: EncodedRequest({})}, "as dict, not as bytes"),  # type: ignore[arg-type]
        ({"encode": encode_calls}, "at a request with tools, a call and its result"),
        ({"encode": encode_calls}, "raises KeyError: 'missing' (test_plugin_mistakes.py, line"),
        ({"decode_models": lambda body: json.loads(body)["models"]}, "a list of models that is"),
        ({"decode_count": raising}, "decode_count raises an UpstreamError"),
        ({"decode_usage": lambda body: json.loads(body)["usage"]}, "in a response that is"),
        ({"tap": lambda: None}, "its tap:"),
        ({"decoder": lambda request, target: Absent()}, "returns NoneType, not a sequence"),
    ],
)
def test_check_reports_faulty_client_protocol(
    registry: Any, changed: Mapping[str, Any], fault: str
) -> None:
    assert fault in said(check_client_protocol, Changed(registry.clients["openai_chat"], **changed))


def test_check_reports_shared_decoder_and_tap(registry: Any) -> None:
    original = registry.clients["anthropic"]
    decoder, tap = original.decoder(None, None), original.tap()
    shared = Changed(original, decoder=lambda request, target: decoder, tap=lambda: tap)
    faults = said(check_client_protocol, shared)
    assert "uses one decoder for two responses" in faults
    assert "uses one tap for two streams" in faults


def test_check_reports_error_decoder_that_raises(registry: Any) -> None:
    original = registry.clients["openai_chat"]

    def careless(status: int, headers: Any, body: bytes) -> GatewayError:
        if status == 500:
            json.loads(body)["error"]
        error: GatewayError = original.decode_error(status, headers, body)
        error.upstream_status = None
        return error

    faults = said(check_client_protocol, Changed(original, decode_error=careless))
    assert "raises TypeError" in faults
    assert "at the body of an error that is '[]'" in faults
    assert "(test_plugin_mistakes.py, line" in faults, "not a place in the standard library"
    assert "does not set the upstream_status" in faults


@pytest.mark.parametrize(
    ("changed", "fault"),
    [
        ({"keepalive": ""}, "a keepalive that is not bytes"),
        ({"peek": lambda call: json.loads(call.body)["model"]}, "peek raises JSONDecodeError"),
        ({"decode": raising}, "decode raises KeyError"),
        ({"encode_response": raising}, "encode_response raises KeyError"),
        ({"encode_response": lambda response, context: b"{}"}, "returns a bytes, not an HttpReply"),
        (
            {"encode_response": lambda response, context: HttpReply(200, b"{}")},
            "does not contain the text",
        ),
        ({"encode_models": lambda models, call: HttpReply(200, "[]")}, "a body that is a str"),  # type: ignore[arg-type]
        (
            {"encode_error": lambda error, name: HttpReply(error.status, error.message.encode())},
            "does not set Retry-After",
        ),
    ],
)
def test_check_reports_faulty_server_protocol(
    registry: Any, changed: Mapping[str, Any], fault: str
) -> None:
    assert fault in said(check_server_protocol, Changed(registry.servers["anthropic"], **changed))


def test_check_reports_route_of_another_protocol(registry: Any) -> None:
    anthropic = registry.servers["anthropic"]
    mine = Changed(anthropic, name="mine", routes=(Route("POST", "/v1/messages", "generate"),))
    with_mine = Changed(registry, all_servers=[*registry.all_servers, mine])
    info = PluginInfo("a-plugin", False, (), {"protocols": ("mine",)})
    (problem,) = check_registered(with_mine, [info])
    assert "has the route POST /v1/messages, as 'anthropic' has" in problem.reason


@pytest.mark.parametrize(
    ("changed", "fault"),
    [
        ({"routes": ()}, 'no route with the operation "embed"'),
        ({"decode_embedding": raising}, "decode_embedding raises KeyError"),
        ({"count_inputs": raising}, "count_inputs raises KeyError"),
        ({"encode_embeddings": lambda response, request, call: None}, "returns a NoneType"),
        ({"encode_error": lambda error, name: HttpReply(200, b"")}, "with status 200"),
    ],
)
def test_check_reports_faulty_embedding_server(
    registry: Any, changed: Mapping[str, Any], fault: str
) -> None:
    original = registry.embedding_servers["openai_embeddings"]
    assert said(check_embedding_server, original) == ""
    assert fault in said(check_embedding_server, Changed(original, **changed))


@pytest.mark.parametrize(
    ("changed", "fault"),
    [
        ({"largest_batch": 0}, "has a largest_batch of 0"),
        ({"encode_embedding": raising}, "raises KeyError"),
        ({"encode_embedding": lambda request, inputs, target: b"{}"}, "not as an EncodedEmbedding"),
        ({"decode_embeddings": raising}, "that is an UpstreamError"),
        ({"decode_embeddings": lambda body, expected: None}, "returns two vectors"),
        ({"decode_usage": raising}, "decode_usage returns None"),
        (
            {"decode_error": lambda status, headers, body: None},
            "does not decode a 429 as a RateLimitedError",
        ),
        ({"traits": None}, "traits that are NoneType"),
    ],
)
def test_check_reports_faulty_embedding_client(
    registry: Any, changed: Mapping[str, Any], fault: str
) -> None:
    original = registry.embedding_clients["openai_embeddings"]
    assert said(check_embedding_client, original) == ""
    assert fault in said(check_embedding_client, Changed(original, **changed))


def test_check_reports_unknown_embedding_operation(registry: Any) -> None:
    original = registry.embedding_clients["openai_embeddings"]

    def encode(request: Any, inputs: Any, target: Any) -> Any:
        encoded = original.encode_embedding(request, inputs, target)
        return structs.replace(encoded, operation="vectors")

    wrong = Changed(original, encode_embedding=encode)
    assert "for 'vectors', which is not an operation" in said(check_embedding_client, wrong)


def sent(**changed: Any) -> Any:
    request = OutgoingRequest("POST", "http://127.0.0.1/", (("a", "b"),))
    return lambda *arguments: succeed([structs.replace(request, **changed)])


@pytest.mark.parametrize(
    ("changed", "fault"),
    [
        ({"name": "another"}, "of the name 'another'"),
        ({"protocols": ()}, "has no protocol"),
        ({"protocols": ("parlay",)}, "has the protocol 'parlay', and there is no client protocol"),
        ({"prepare": raising}, "prepare raises KeyError"),
        ({"prepare": lambda *arguments: []}, "prepare returns no requests"),
        ({"prepare": lambda *arguments: None}, "returns a NoneType, not a sequence of requests"),
        ({"prepare": lambda *arguments: [1]}, "prepare returns a int, not an OutgoingRequest"),
        ({"prepare": lambda *arguments: succeed([])}, "returns no requests"),
        ({"prepare": lambda *arguments: fail(KeyError("a"))}, "which is not a GatewayError"),
        ({"prepare": sent(url="/path")}, "not an http or https address"),
        ({"prepare": sent(headers={"a": "b"})}, "not pairs of text"),
        ({"prepare": sent(headers=(("a", None),))}, "not pairs of text"),
        ({"models": lambda credential: []}, "models returns a list, not a Deferred"),
        ({"try_next": lambda error: None}, "try_next returns None, not a bool"),
    ],
)
def test_check_reports_faulty_upstream(
    registry: Any, changed: Mapping[str, Any], fault: str
) -> None:
    services = offline_services("mine", registry.clients)
    original = registry.upstream_kinds["anthropic"]

    def build(settings: Any, services: Any) -> Any:
        upstream = original.build(settings, services)
        vars(upstream).update(changed)
        return upstream

    def faults(kind: Any) -> str:
        return "\n".join(check_upstream_kind(kind, services, registry.embedding_clients))

    assert faults(original) == ""
    assert fault in faults(Changed(original, build=build))


def test_check_reports_embedding_kind_without_embeddings(registry: Any) -> None:
    @implementer(IEmbeddingKind)
    class Promising:
        kind = "promising"

        def build(self, settings: Any, services: Any) -> Any:
            return registry.upstream_kinds["anthropic"].build(settings, services)

    services = offline_services("promising", registry.clients)
    (fault,) = check_upstream_kind(Promising(), services, ())
    assert "create no embeddings" in fault


class Rule:
    name = "rule"
    marks: Any = (b"ping",)

    def may_match(self, headers: Mapping[str, str]) -> bool:
        return "user-agent" in headers

    def matches(self, request: Any, headers: Any) -> bool:
        return False

    def detect(self, request: Any, headers: Any) -> str | None:
        return None


@pytest.mark.parametrize(
    ("changed", "fault"),
    [
        ({"marks": ("ping",)}, "not a tuple of bytes"),
        ({"marks": b"ping"}, "not a tuple of bytes"),
        ({"may_match": lambda headers: headers["user-agent"]}, "may_match raises KeyError"),
        ({"matches": lambda request, headers: request.messages[-1].text}, "matches raises"),
        ({"matches": lambda request, headers: None}, "matches returns a NoneType"),
    ],
)
def test_check_reports_faulty_warmup_filter(changed: Mapping[str, Any], fault: str) -> None:
    assert said(check_warmup_filter, Rule()) == ""
    assert fault in said(check_warmup_filter, Changed(Rule(), **changed))


def test_check_reports_faulty_background_detector() -> None:
    assert said(check_background_detector, Rule()) == ""
    wrong = Changed(Rule(), detect=lambda request, headers: True)
    assert "detect returns a bool" in said(check_background_detector, wrong)


class Policy:
    def select(self, candidates: Any, context: Any) -> Any:
        return Selection(tuple(candidates))

    def moves(self, bound: Any, candidates: Any, context: Any) -> bool:
        return False


def by_typo(candidates: Any, context: Any) -> Selection:
    return Selection(tuple(sorted(candidates, key=lambda each: each.lastused)))


def nobody(candidates: Any, context: Any) -> Selection:
    return Selection()


def someone_else(candidates: Any, context: Any) -> Selection:
    return Selection(tuple(structs.replace(each, credential="other") for each in candidates))


@pytest.mark.parametrize(
    ("changed", "fault"),
    [
        ({"select": nobody}, "selects no account although some are free"),
        ({"select": someone_else}, "that are not candidates"),
        ({"moves": lambda bound, candidates, context: bound}, "moves returns None"),
        ({"moves": lambda bound, candidates, context: bound.busy}, "moves raises AttributeError"),
    ],
)
def test_check_reports_faulty_selection_policy(changed: Mapping[str, Any], fault: str) -> None:
    assert said(check_selection_policy, Policy()) == ""
    assert fault in said(check_selection_policy, Changed(Policy(), **changed))


def test_check_reports_faulty_mcp_prompt_and_resource() -> None:
    prompt = Changed(None, arguments=(PromptArgument("to", "Whom."), "from"))
    assert (
        said(check_mcp_prompt, prompt) == "has the argument 'from', which is not a PromptArgument"
    )
    assert "without a scheme" in said(check_mcp_resource, Changed(None, uri="rules"))
    assert said(check_mcp_resource, Changed(None, uri="note:rules")) == ""


def test_exception_of_a_check_is_reported_with_its_line() -> None:
    class Policies:
        @hookimpl
        def register_selection_policies(self, register: Any) -> None:
            from antigravity.accounts.selection import Balance

            class Mistyped(Balance):
                name = "Mistyped"

                def select(self, candidates: Any, context: Any) -> Selection:
                    return by_typo(candidates, context)

            register(Mistyped())

    with pytest.raises(AssertionError, match=r"lastused' \(test_plugin_mistakes\.py, line \d+\)"):
        load_plugin(Policies())


def test_exception_of_a_hook_is_reported_with_its_line() -> None:
    module = ModuleType("faulty")
    vars(module)["register_routes"] = hookimpl(lambda register, settings: settings["colour"])
    with pytest.raises(
        AssertionError, match=r"KeyError: 'colour' \(test_plugin_mistakes\.py, line"
    ):
        load_plugin(module)
