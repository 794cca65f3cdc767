"""Code Assist: tokens, projects, and the order of addresses."""

from __future__ import annotations

from urllib.parse import parse_qs

import msgspec

from antigravity.config.settings import OAuthSettings
from antigravity.ir.errors import (
    OverloadedError,
    UnavailableError,
    UpstreamCredentialError,
    UpstreamError,
)
from antigravity.version import USER_AGENT
from tests.upstreams.fake_codeassist import HOSTS, TOKEN_URL, Case, Service
from tests.upstreams.fakes import FakeResponse, credential


class Requests(Case):
    def test_base_urls_are_tried_in_order(self) -> None:
        for operation, end in (
            ("stream", "streamGenerateContent?alt=sse"),
            ("generate", "generateContent"),
            ("count_tokens", "countTokens"),
            ("list_models", "fetchAvailableModels"),
        ):
            requests = self.prepared(Service().upstream(), operation)
            self.assertEqual(
                [request.url for request in requests],
                [f"https://{host}.googleapis.com/v1internal:{end}" for host in HOSTS],
            )
        (one,) = self.prepared(Service().upstream(base_urls=["http://h:9"]))
        self.assertEqual(one.url, "http://h:9/v1internal:streamGenerateContent?alt=sse")

    def test_headers_and_body(self) -> None:
        upstream = Service().upstream(headers={"X-Extra": "1"})
        request = self.prepared(upstream)[0]
        headers = dict(request.headers)
        self.assertEqual(headers["user-agent"], USER_AGENT)
        self.assertEqual(headers["authorization"], "Bearer at-1")
        self.assertEqual(headers["x-extra"], "1")
        body = msgspec.json.decode(request.body)
        self.assertEqual((body["project"], body["model"]), ("found", "gemini-3-pro"))
        self.assertEqual(body["userAgent"], "antigravity-gateway")
        self.assertRegex(body["requestId"], r"^agent/1000000000/[0-9a-f]{8}$")
        self.assertEqual(request.timeouts.total, 600)

    def test_token_count_needs_no_project(self) -> None:
        service = Service()
        request = self.prepared(service.upstream(), "count_tokens")[0]
        self.assertEqual(list(msgspec.json.decode(request.body)), ["request"])
        self.assertEqual(service.calls("loadCodeAssist"), [])

    def test_another_protocol(self) -> None:
        preparing = self.prepare(Service().upstream(), protocol="anthropic")
        self.failureResultOf(preparing, UnavailableError)

    def test_upstream_wraps_bodies(self) -> None:
        upstream = Service().upstream()
        self.assertTrue(upstream.wraps())
        self.assertEqual(upstream.unwrap(b'{"response":{"a":1}}'), b'{"a":1}')
        self.assertIn("codeassist", upstream.quirks)

    def test_raw_schemas_do_not_pass(self) -> None:
        upstream = Service().upstream()
        self.assertTrue(upstream.passes("gemini", "stream", b'{"contents":[]}'))
        for name in (b"parametersJsonSchema", b"response_json_schema", b"responseJsonSchema"):
            body = b'{"tools":[{"functionDeclarations":[{"%s": {}}]}]}' % name
            self.assertFalse(upstream.passes("gemini", "stream", body))
            self.assertTrue(upstream.passes("gemini", "count_tokens", body))
            quoted = msgspec.json.encode({"text": body.decode()})
            self.assertTrue(upstream.passes("gemini", "generate", quoted))
        self.assertFalse(upstream.passes("anthropic", "generate", b"{}"))

    def test_models_are_listed(self) -> None:
        models = {"m1": {"displayName": "One", "maxTokens": 5, "quotaInfo": {}}, "m2": {}}
        service = Service(fetchAvailableModels=lambda request: (200, {"models": models}))
        found = self.successResultOf(service.upstream().models(credential("rt")))
        self.assertEqual([(m.id, m.display_name) for m in found], [("m1", "One"), ("m2", "m2")])
        self.assertEqual(found[0].input_token_limit, 5)
        (asked,) = service.calls("fetchAvailableModels")
        self.assertEqual(msgspec.json.decode(asked.body), {"project": "found"})

    def test_models_from_the_next_address(self) -> None:
        answers = iter([UpstreamError("refused"), (404, b""), (200, {"models": {"m": {}}})])
        service = Service(fetchAvailableModels=lambda request: next(answers))
        found = self.successResultOf(service.upstream().models(credential("rt")))
        self.assertEqual([model.id for model in found], ["m"])

    def test_models_that_make_no_sense(self) -> None:
        service = Service(fetchAvailableModels=lambda request: (200, b"[]"))
        self.failureResultOf(service.upstream().models(credential("rt")), UpstreamError)


class Tokens(Case):
    def test_concurrent_requests_share_one_refresh(self) -> None:
        service = Service()
        upstream = service.upstream(project="p")
        self.prepared(upstream)
        service.clock.advance(3599 - 300)
        service.waiting = []
        preparing = [self.prepare(upstream) for _ in range(26)]
        self.assertEqual(len(service.waiting), 1)
        for each in preparing:
            self.assertNoResult(each)
        service.waiting[0].callback(FakeResponse(200, {"access_token": "new", "expires_in": 99}))
        for each in preparing:
            request = self.successResultOf(each)[0]
            self.assertEqual(dict(request.headers)["authorization"], "Bearer new")
        self.assertEqual(len(service.calls(TOKEN_URL)), 2)

    def test_token_request_has_documented_form(self) -> None:
        service = Service()
        self.prepared(service.upstream(project="p", http_proxy="http://h:1"))
        (asked,) = service.calls(TOKEN_URL)
        self.assertEqual(
            parse_qs(asked.body.decode()),
            {
                "grant_type": ["refresh_token"],
                "client_id": ["id"],
                "client_secret": ["client-secret"],
                "refresh_token": ["rt-1"],
            },
        )
        self.assertEqual(asked.proxy, "http://h:1")
        self.assertNotIn("rt-1", repr(asked))

    def test_tokens_are_kept_until_300_seconds_before_their_end(self) -> None:
        service = Service()
        upstream = service.upstream(project="p")
        self.prepared(upstream)
        service.clock.advance(3598 - 300)
        self.prepared(upstream)
        self.assertEqual(service.tokens, 1)
        service.clock.advance(1)
        self.prepared(upstream)
        self.assertEqual(service.tokens, 2)

    def test_another_secret_is_another_token(self) -> None:
        service = Service()
        upstream = service.upstream(project="p")
        self.prepared(upstream)
        self.prepared(upstream, credential=credential("rt-2"))
        self.assertEqual(service.tokens, 2)

    def test_rejected_token_is_dropped_unless_replaced(self) -> None:
        service = Service()
        upstream = service.upstream(project="p")
        account = credential("rt-1")
        refusal = UpstreamCredentialError("no", upstream_status=401)
        self.prepared(upstream)
        service.clock.advance(60)
        for _ in range(26):
            upstream.refused(refusal, account)
            self.prepared(upstream)
        self.assertEqual(service.tokens, 2)

    def test_revoked_refresh_token_is_reported_without_secrets(self) -> None:
        service = Service(token=lambda request: (400, {"error": "invalid_grant"}))
        preparing = [self.prepare(service.upstream(project="p"))]
        error = self.failureResultOf(preparing[0], UpstreamCredentialError).value
        self.assertNotIn("me@mail.test", error.message)
        self.assertEqual([name for name, _ in service.invalid], ["c1"])
        self.assertNotIn("rt-1", error.message + service.invalid[0][1])

    def test_rejected_oauth_client_is_reported(self) -> None:
        service = Service(token=lambda request: (401, {"error": "invalid_client"}))
        error = self.failureResultOf(
            self.prepare(service.upstream(project="p")), UnavailableError
        ).value
        self.assertIn("upstreams.mine.oauth.client_id", error.message)
        self.assertEqual(service.invalid, [])

    def test_missing_oauth_client_is_reported_with_its_settings(self) -> None:
        for oauth, keys in (
            (OAuthSettings(), ("oauth.client_id", "oauth.client_secret")),
            (OAuthSettings("id"), ("oauth.client_secret",)),
        ):
            service = Service()
            error = self.failureResultOf(
                self.prepare(service.upstream(oauth=oauth)), UnavailableError
            ).value
            for key in ("oauth.client_id", "oauth.client_secret"):
                named = f"upstreams.mine.{key}" in error.message
                self.assertEqual(named, key in keys)
            self.assertEqual(service.transport.requests, [])

    def test_trouble_at_the_token_server(self) -> None:
        for answer, kind in (
            ((503, b""), OverloadedError),
            ((200, b"<html>"), UpstreamError),
            ((400, {"error": {"code": 1}}), UpstreamError),
            (UpstreamError("connection refused by h:1"), UpstreamError),
        ):
            service = Service(token=lambda request, answer=answer: answer)
            self.failureResultOf(self.prepare(service.upstream(project="p")), kind)
            self.assertEqual(service.invalid, [])

    def test_valid_token_is_used_while_token_server_fails(self) -> None:
        service = Service()
        upstream = service.upstream(project="p")
        self.prepared(upstream)
        service.answers["token"] = lambda request: (503, b"")
        service.clock.advance(3599 - 200)
        request = self.prepared(upstream)[0]
        self.assertEqual(dict(request.headers)["authorization"], "Bearer at-1")
        service.clock.advance(200)
        self.failureResultOf(self.prepare(upstream), OverloadedError)


class Projects(Case):
    def test_account_project_precedes_configured_one(self) -> None:
        service = Service()
        upstream = service.upstream(project="configured")
        own = credential("rt", extra={"project": "own"})
        for given, project in ((own, "own"), (credential("rt"), "configured")):
            body = self.prepared(upstream, credential=given)[0].body
            self.assertEqual(msgspec.json.decode(body)["project"], project)
        self.assertEqual(service.calls("loadCodeAssist"), [])

    def test_project_is_requested_once(self) -> None:
        service = Service(
            loadCodeAssist=lambda request: (200, {"cloudaicompanionProject": {"id": "object"}})
        )
        upstream = service.upstream()
        for _ in range(3):
            body = msgspec.json.decode(self.prepared(upstream)[0].body)
            self.assertEqual(body["project"], "object")
        (asked,) = service.calls("loadCodeAssist")
        self.assertEqual(
            msgspec.json.decode(asked.body), {"metadata": {"ideType": "IDE_UNSPECIFIED"}}
        )

    def test_account_without_project_is_onboarded(self) -> None:
        tiers = [{"id": "paid"}, {"id": "free-tier", "isDefault": True}]
        done = {"done": True, "response": {"cloudaicompanionProject": {"id": "made"}}}
        answers = iter([(200, {"name": "op"}), (200, {"done": False}), (200, done)])
        service = Service(
            loadCodeAssist=lambda request: (200, {"allowedTiers": tiers}),
            onboardUser=lambda request: next(answers),
        )
        preparing = self.prepare(service.upstream(options={"ide_type": "X"}))
        for _ in range(2):
            self.assertNoResult(preparing)
            service.clock.advance(5)
        body = msgspec.json.decode(self.successResultOf(preparing)[0].body)
        self.assertEqual(body["project"], "made")
        asked = service.calls("onboardUser")
        self.assertEqual(len(asked), 3)
        self.assertEqual(
            msgspec.json.decode(asked[0].body),
            {"tierId": "free-tier", "metadata": {"ideType": "X"}},
        )

    def test_onboarding_fails_after_ten_attempts(self) -> None:
        tiers = [{"id": "free-tier", "isDefault": True}]
        service = Service(
            loadCodeAssist=lambda request: (200, {"allowedTiers": tiers}),
            onboardUser=lambda request: (200, {"done": False}),
        )
        preparing = self.prepare(service.upstream())
        service.clock.pump([5] * 10)
        error = self.failureResultOf(preparing, UpstreamError).value
        self.assertIn("upstreams.mine.project", error.message)
        self.assertEqual(len(service.calls("onboardUser")), 10)
        self.assertEqual(service.clock.getDelayedCalls(), [])

    def test_missing_project_is_reported(self) -> None:
        for answer in ({}, {"allowedTiers": [{"id": "paid"}]}, {"cloudaicompanionProject": ""}):
            service = Service(loadCodeAssist=lambda request, answer=answer: (200, answer))
            error = self.failureResultOf(self.prepare(service.upstream()), UpstreamError).value
            self.assertIn("upstreams.mine.project", error.message)
            self.assertNotIn("me@mail.test", error.message)

    def test_401_for_project_drops_token(self) -> None:
        service = Service(loadCodeAssist=lambda request: (401, b""))
        upstream = service.upstream()
        self.failureResultOf(self.prepare(upstream), UpstreamCredentialError)
        service.clock.advance(60)
        self.failureResultOf(self.prepare(upstream), UpstreamCredentialError)
        self.failureResultOf(self.prepare(upstream), UpstreamCredentialError)
        self.assertEqual(service.tokens, 2)
