"""Addresses, headers and refusals of the upstreams that take a key."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from antigravity.config.errors import ConfigurationError
from antigravity.config.secret import Secret
from antigravity.config.settings import TimeoutSettings
from antigravity.interfaces.upstreams import IUpstream, IUpstreamKind
from antigravity.ir.errors import (
    CancelledByClientError,
    DeadlineError,
    InvalidRequestError,
    OverloadedError,
    RateLimitedError,
    UnavailableError,
    UpstreamCredentialError,
    UpstreamError,
)
from antigravity.upstreams.anthropic import AnthropicKind
from antigravity.upstreams.codeassist.kind import CodeAssistKind
from antigravity.upstreams.gemini_api import GeminiApiKind
from antigravity.upstreams.next_address import should_try_next_address
from antigravity.upstreams.openai import OpenAIKind
from antigravity.version import USER_AGENT
from tests.upstreams.fakes import UpstreamFixture, credential

KINDS = (AnthropicKind(), OpenAIKind(), GeminiApiKind(), CodeAssistKind())


class Case(SynchronousTestCase):
    def prepare(self, upstream: Any, operation: str, protocol: str = "", **options: Any) -> Any:
        return list(
            upstream.prepare(
                operation,
                protocol or upstream.protocols[0],
                options.get("model", "m"),
                options.get("body", b'{"a":1}'),
                options.get("credential", credential()),
                options.get("headers", {}),
            )
        )

    def one(self, upstream: Any, operation: str, protocol: str = "", **options: Any) -> Any:
        (request,) = self.prepare(upstream, operation, protocol, **options)
        return request


class All(Case):
    def test_kinds_and_upstreams_provide_their_interfaces(self) -> None:
        for kind in KINDS:
            verifyObject(IUpstreamKind, kind)
            upstream = UpstreamFixture().build(kind)
            verifyObject(IUpstream, upstream)
            self.assertEqual((upstream.name, upstream.kind), ("mine", kind.kind))

    def test_limits_and_proxy_come_from_the_settings(self) -> None:
        for kind in KINDS[:3]:
            timeouts = TimeoutSettings(1, 2, 3, 0)
            upstream = UpstreamFixture().build(kind, timeouts=timeouts, http_proxy="http://u:p@h:1")
            request = self.one(upstream, "stream")
            limits = request.timeouts
            self.assertEqual(
                (limits.connect, limits.first_byte, limits.idle, limits.total), (1, 2, 3, 600)
            )
            self.assertEqual(request.proxy, "http://u:p@h:1")
            self.assertEqual(request.body, b'{"a":1}')

    def test_whole_response_has_time_of_first_byte_and_idle(self) -> None:
        for kind in KINDS[:3]:
            for first_byte, idle, expected in ((2, 3, 5), (0, 3, 0), (2, 0, 0)):
                timeouts = TimeoutSettings(1, first_byte, idle, 0)
                upstream = UpstreamFixture().build(kind, timeouts=timeouts)
                self.assertEqual(self.one(upstream, "generate").timeouts.first_byte, expected)
                self.assertEqual(self.one(upstream, "stream").timeouts.first_byte, first_byte)

    def test_configured_headers_are_added_but_the_name_stays_ours(self) -> None:
        for kind in KINDS[:3]:
            upstream = UpstreamFixture().build(kind, headers={"X-Extra": "secret"})
            request = self.one(upstream, "stream", headers={"user-agent": "client"})
            headers = dict(request.headers)
            self.assertEqual(headers["x-extra"], "secret")
            self.assertEqual(headers["user-agent"], USER_AGENT)
            self.assertEqual(headers["accept"], "text/event-stream")
            self.assertNotIn("secret", repr(request))
            with pytest.raises(ConfigurationError, match="user-agent"):
                UpstreamFixture().build(kind, headers={"User-Agent": "other"})

    def test_wrong_addresses_are_named_by_their_key(self) -> None:
        for kind in KINDS:
            for url in ("x", "ftp://h", "http://", "http://u:secret@h", "http://h:x", "http://h /"):
                with pytest.raises(ConfigurationError) as caught:
                    UpstreamFixture().build(kind, base_url=url)
                assert "upstreams.mine.base_url" in str(caught.value)
                assert "secret" not in str(caught.value)
            with pytest.raises(ConfigurationError, match=r"upstreams.mine.base_urls\[1\]"):
                UpstreamFixture().build(kind, base_urls=["http://h", "x"])
            with pytest.raises(ConfigurationError, match=r"upstreams.mine.http_proxy") as caught:
                UpstreamFixture().build(kind, http_proxy="socks5://u:secret@h:1")
            assert "secret" not in str(caught.value)

    def test_several_addresses_are_tried_in_order(self) -> None:
        upstream = UpstreamFixture().build(OpenAIKind(), base_urls=["http://a/v1", "http://b/x"])
        urls = [request.url for request in self.prepare(upstream, "generate")]
        self.assertEqual(urls, ["http://a/v1/chat/completions", "http://b/x/chat/completions"])

    def test_headers_follow_credential_operation_and_client(self) -> None:
        upstream = UpstreamFixture().build(OpenAIKind(), headers={"OpenAI-Beta": "configured"})
        plain = dict(self.one(upstream, "generate").headers)
        other = dict(self.one(upstream, "generate", credential=credential("sk-2")).headers)
        stream = dict(self.one(upstream, "stream", headers={"openai-beta": "client"}).headers)
        listing = dict(self.one(upstream, "list_models").headers)
        self.assertEqual(plain["authorization"], "Bearer sk-1")
        self.assertEqual(other, plain | {"authorization": "Bearer sk-2"})
        self.assertEqual(stream, plain | {"accept": "text/event-stream"})
        self.assertNotIn("content-type", listing)
        self.assertEqual(dict(self.one(upstream, "generate").headers), plain)

    def test_each_model_has_its_own_address(self) -> None:
        upstream = UpstreamFixture().build(GeminiApiKind())
        for model in ("a", "b", "a"):
            url = self.one(upstream, "generate", model=model).url
            self.assertTrue(url.endswith(f"/models/{model}:generateContent"), url)

    def test_without_a_key_nothing_is_sent(self) -> None:
        for kind in KINDS[:3]:
            request = self.one(UpstreamFixture().build(kind), "generate", credential=credential(""))
            names = {name for name, _ in request.headers}
            self.assertFalse(names & {"authorization", "x-api-key", "x-goog-api-key"})

    def test_models_are_listed(self) -> None:
        for kind, path in (
            (AnthropicKind(), "/v1/models?limit=1000"),
            (OpenAIKind(), "/v1/models"),
            (GeminiApiKind(), "/v1beta/models?pageSize=1000"),
        ):
            world = UpstreamFixture(lambda request: (200, {"data": [{"id": "a"}]}))
            models = self.successResultOf(world.build(kind).models(credential()))
            self.assertEqual([model.id for model in models], ["a"])
            (request,) = world.transport.requests
            self.assertTrue(request.url.endswith(path), request.url)
            self.assertEqual((request.method, request.body), ("GET", b""))

    def test_models_that_cannot_be_asked_for(self) -> None:
        for status, kind in ((401, UpstreamCredentialError), (302, UpstreamError)):
            world = UpstreamFixture(lambda request, status=status: (status, b""))
            self.failureResultOf(world.build(OpenAIKind()).models(credential()), kind)

    def test_own_protocols_pass(self) -> None:
        for kind in KINDS:
            upstream = UpstreamFixture().build(kind)
            for protocol in upstream.protocols:
                self.assertTrue(upstream.passes(protocol, "generate"))
            self.assertFalse(upstream.passes("other", "generate"))
        chat = UpstreamFixture().build(OpenAIKind())
        self.assertFalse(chat.passes("openai_chat", "count_tokens"))
        self.assertTrue(chat.passes("openai_responses", "count_tokens"))


class Anthropic(Case):
    def test_paths_with_and_without_version(self) -> None:
        for base in ("https://h/api", "https://h/api/", "https://h/api/v1", "https://h/api/v1/"):
            upstream = UpstreamFixture().build(AnthropicKind(), base_url=base)
            self.assertEqual(self.one(upstream, "stream").url, "https://h/api/v1/messages")
            self.assertEqual(
                self.one(upstream, "count_tokens").url, "https://h/api/v1/messages/count_tokens"
            )
        self.assertEqual(
            self.one(UpstreamFixture().build(AnthropicKind()), "generate").url,
            "https://api.anthropic.com/v1/messages",
        )

    def test_key_is_sent_in_header_of_the_kind(self) -> None:
        key, oauth = credential("sk-ant-api03-x"), credential("sk-ant-oat01-x")
        zai = "https://api.z.ai/api/anthropic"
        for settings, given, name, value in (
            ({}, key, "x-api-key", key.secret),
            ({}, oauth, "authorization", f"Bearer {oauth.secret}"),
            ({"base_url": zai}, key, "x-api-key", key.secret),
            ({"auth": "bearer"}, key, "authorization", f"Bearer {key.secret}"),
            ({"auth": "x-api-key"}, oauth, "x-api-key", oauth.secret),
        ):
            upstream = UpstreamFixture().build(AnthropicKind(), **settings)
            headers = dict(self.one(upstream, "generate", credential=given).headers)
            self.assertEqual(headers[name], value)
            self.assertEqual(len({"x-api-key", "authorization"} & set(headers)), 1)

    def test_version_and_betas(self) -> None:
        upstream = UpstreamFixture().build(AnthropicKind())
        headers = dict(self.one(upstream, "generate").headers)
        self.assertEqual(headers["anthropic-version"], "2023-06-01")
        self.assertNotIn("anthropic-beta", headers)
        sent = {"anthropic-version": "2026-10-21", "anthropic-beta": "a, b", "x-app": "cli"}
        headers = dict(self.one(upstream, "generate", headers=sent).headers)
        self.assertEqual(headers["anthropic-version"], "2026-10-21")
        self.assertEqual(headers["anthropic-beta"], "a, b")
        self.assertNotIn("x-app", headers)
        upstream = UpstreamFixture().build(AnthropicKind(), headers={"Anthropic-Beta": "b,c"})
        headers = dict(self.one(upstream, "generate", headers=sent).headers)
        self.assertEqual(headers["anthropic-beta"], "a, b,c")

    def test_other_client_headers_are_not_forwarded(self) -> None:
        sent = {
            "accept": "*/*",
            "anthropic-beta": "a",
            "anthropic-version": "2023-06-01",
            "content-type": "text/plain",
            "cookie": "c=1",
            "origin": "http://localhost",
            "user-agent": "claude-cli/2.1",
            "x-api-key": "sk-client",
            "x-app": "cli",
            "x-forwarded-for": "203.0.113.9",
            "x-stainless-os": "Linux",
        }
        own = {"accept", "anthropic-beta", "anthropic-version", "content-type", "user-agent"}
        for quirks, agent in (([], USER_AGENT), (["client_user_agent"], "claude-cli/2.1")):
            upstream = UpstreamFixture().build(AnthropicKind(), auth="bearer", quirks=quirks)
            headers = dict(self.one(upstream, "stream", headers=sent).headers)
            self.assertEqual(set(headers), {*own, "authorization"})
            self.assertEqual(headers["authorization"], "Bearer sk-1")
            self.assertEqual(headers["accept"], "text/event-stream")
            self.assertEqual(headers["content-type"], "application/json")
            self.assertEqual(headers["user-agent"], agent)
        headers = dict(self.one(upstream, "stream").headers)
        self.assertEqual(headers["user-agent"], USER_AGENT)


class OpenAI(Case):
    def test_base_url_determines_the_root(self) -> None:
        for base, root in (
            ("", "https://api.openai.com/v1"),
            ("http://h:1", "http://h:1/v1"),
            ("http://h:1/", "http://h:1/v1"),
            ("http://h:1/v1", "http://h:1/v1"),
            ("http://h/api/paas/v4/", "http://h/api/paas/v4"),
        ):
            upstream = UpstreamFixture().build(OpenAIKind(), base_url=base)
            self.assertEqual(self.one(upstream, "stream").url, f"{root}/chat/completions")
            self.assertEqual(
                self.one(upstream, "generate", "openai_responses").url, f"{root}/responses"
            )

    def test_query_of_base_url_is_kept(self) -> None:
        upstream = UpstreamFixture().build(OpenAIKind(), base_url="https://h/openai?api-version=1")
        url = self.one(upstream, "generate").url
        self.assertEqual(url, "https://h/openai/chat/completions?api-version=1")

    def test_apis_determine_the_protocols(self) -> None:
        for apis, protocols in (
            (["responses", "chat"], ("openai_chat", "openai_responses")),
            (["responses"], ("openai_responses",)),
            (["chat"], ("openai_chat",)),
        ):
            self.assertEqual(UpstreamFixture().build(OpenAIKind(), apis=apis).protocols, protocols)
        with pytest.raises(ConfigurationError, match=r"upstreams.mine.apis"):
            UpstreamFixture().build(OpenAIKind(), apis=[])
        upstream = UpstreamFixture().build(OpenAIKind(), apis=["chat"])
        with pytest.raises(UnavailableError):
            upstream.prepare("stream", "openai_responses", "m", b"", credential(), {})

    def test_openai_headers_are_sent(self) -> None:
        sent = {"openai-beta": "x=1", "openai-organization": "org", "openai-project": "p"}
        headers = dict(
            self.one(UpstreamFixture().build(OpenAIKind()), "stream", headers=sent).headers
        )
        self.assertEqual(headers["authorization"], "Bearer sk-1")
        self.assertEqual(headers["openai-beta"], "x=1")
        self.assertFalse({"openai-organization", "openai-project"} & set(headers))


class Gemini(Case):
    def test_base_url_determines_the_root(self) -> None:
        for base, root in (
            ("", "https://generativelanguage.googleapis.com/v1beta"),
            ("http://h/v1", "http://h/v1"),
            ("http://h/x/v1alpha/", "http://h/x/v1alpha"),
            ("http://h/x", "http://h/x/v1beta"),
        ):
            upstream = UpstreamFixture().build(GeminiApiKind(), base_url=base)
            for model in ("gemini-3-pro", "models/gemini-3-pro"):
                for operation, end in (
                    ("generate", ":generateContent"),
                    ("stream", ":streamGenerateContent?alt=sse"),
                    ("count_tokens", ":countTokens"),
                ):
                    url = self.one(upstream, operation, model=model).url
                    self.assertEqual(url, f"{root}/models/gemini-3-pro{end}")

    def test_names_that_lead_elsewhere(self) -> None:
        upstream = UpstreamFixture().build(GeminiApiKind())
        for model in ("", "..", "models/../x", "a//b", "/x"):
            with pytest.raises(InvalidRequestError):
                upstream.prepare("stream", "gemini", model, b"", credential(), {})
        url = self.one(upstream, "stream", model="a?b#c:d").url
        self.assertIn("/models/a%3Fb%23c%3Ad:streamGenerateContent", url)

    def test_key_is_not_in_url(self) -> None:
        request = self.one(UpstreamFixture().build(GeminiApiKind()), "stream")
        self.assertEqual(dict(request.headers)["x-goog-api-key"], "sk-1")
        self.assertNotIn("sk-1", request.url)


@pytest.mark.parametrize(
    ("error", "worth"),
    [
        (UpstreamError("no connection"), True),
        (DeadlineError("x", code="connect_timeout"), True),
        (DeadlineError("x", code="first_byte_timeout"), False),
        (DeadlineError("x", code="total_timeout"), False),
        (UpstreamError("x", upstream_status=500), True),
        (OverloadedError("x", upstream_status=503), True),
        (UpstreamError("x", upstream_status=408), True),
        (UpstreamError("x", upstream_status=404), True),
        (InvalidRequestError("x", upstream_status=400), False),
        (UpstreamCredentialError("x", upstream_status=401), False),
        (UpstreamCredentialError("x", upstream_status=403), False),
        (RateLimitedError("x", upstream_status=429), False),
        (UnavailableError("x"), False),
        (UpstreamCredentialError("x"), False),
        (CancelledByClientError("x"), False),
        (InvalidRequestError("x"), False),
    ],
)
def test_when_the_next_address_is_worth_a_try(error: Any, worth: bool) -> None:
    assert should_try_next_address(error) is worth


def test_repr_contains_no_secret() -> None:
    world = UpstreamFixture()
    upstream = world.build(OpenAIKind(), api_key=Secret("very-secret"))
    assert "very-secret" not in repr(upstream)
    assert "very-secret" not in repr(credential("very-secret"))
