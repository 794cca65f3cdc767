"""Code Assist: envelopes, tokens, projects, and the order of addresses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs

import msgspec
import pytest
from twisted.internet.defer import CancelledError, Deferred
from twisted.trial.unittest import SynchronousTestCase
from upstream_fakes import FakeResponse, World, credential

from antigravity.config.secret import Secret
from antigravity.config.settings import OAuthSettings
from antigravity.ir.errors import (
    InvalidRequestError,
    OverloadedError,
    UnavailableError,
    UpstreamCredentialError,
    UpstreamError,
)
from antigravity.upstreams.codeassist import envelope
from antigravity.upstreams.codeassist.flight import SingleFlight
from antigravity.upstreams.codeassist.kind import CodeAssistKind
from antigravity.version import USER_AGENT

BODY = (
    b'{"contents":[{"role":"user","parts":[{"text":"\xc3\xa9 \\u00e9"}]}],"model":"m",'
    b'"tools":[ ],"labels":{"a":1.0},"systemInstruction":{"parts":[]},"safetySettings":[]}'
)
TOKEN_URL = "https://oauth.test/token"
HOSTS = ("daily-cloudcode-pa.sandbox", "daily-cloudcode-pa", "cloudcode-pa")


def wrapped(body: bytes = BODY, **options: Any) -> bytes:
    given: dict[str, Any] = {
        "model": "models/gemini-3-pro",
        "project": "p1",
        "request_id": "agent/1/00000000",
        "request_type": "agent",
        "session_id": "-7",
    }
    return envelope.wrap(body, **(given | options))


class Envelopes(SynchronousTestCase):
    def test_what_is_in_it_stays_byte_for_byte(self) -> None:
        self.assertEqual(
            wrapped(),
            b'{"requestId":"agent/1/00000000","model":"gemini-3-pro",'
            b'"userAgent":"antigravity-gateway","requestType":"agent","request":{'
            b'"systemInstruction":{"parts":[]},"tools":[ ],"safetySettings":[],"sessionId":"-7",'
            b'"labels":{"a":1.0},"contents":[{"role":"user","parts":[{"text":"\xc3\xa9 \\u00e9"}]'
            b'}]},"project":"p1"}',
        )

    def test_a_project_that_is_not_known_is_left_out(self) -> None:
        self.assertNotIn("project", msgspec.json.decode(wrapped(project="")))

    def test_a_session_that_the_body_names_stays(self) -> None:
        for name in (b"sessionId", b"session_id"):
            body = wrapped(b'{"%b":"mine","contents":[]}' % name)
            self.assertEqual(
                msgspec.json.decode(body)["request"], {"sessionId": "mine", "contents": []}
            )

    def test_a_count_holds_only_what_is_taken(self) -> None:
        counted = msgspec.json.decode(envelope.wrap_count(BODY))
        self.assertEqual(list(counted), ["request"])
        self.assertEqual(
            list(counted["request"]), ["systemInstruction", "tools", "labels", "contents"]
        )
        self.assertEqual(
            envelope.wrap_count(b'{"generateContentRequest":{"model":"m","contents":[]}}'),
            b'{"request":{"contents":[]}}',
        )

    def test_what_is_no_object_is_refused(self) -> None:
        for body in (b"", b"[]", b"1", b'{"a":', b'"x"'):
            with pytest.raises(InvalidRequestError):
                wrapped(body)
            with pytest.raises(InvalidRequestError):
                envelope.wrap_count(body)

    def test_answers_come_out(self) -> None:
        for payload, inner in (
            (b'{"traceId":"x","response": {"a": 1.0} }', b'{"a": 1.0}'),
            (b'{"a":1}', b'{"a":1}'),
            (b'{"response":null,"a":1}', b'{"response":null,"a":1}'),
            (b'{"error":{"code":1}}', b'{"error":{"code":1}}'),
            (b"garbage", b"garbage"),
            (b"[1]", b"[1]"),
        ):
            self.assertEqual(envelope.unwrap(payload).strip(), inner)

    def test_sessions_are_stable_negative_and_each_accounts_own(self) -> None:
        sessions = {envelope.session_id(f"account-{n}") for n in range(100)}
        self.assertEqual(len(sessions), 100)
        self.assertEqual(envelope.session_id("a"), envelope.session_id("a"))
        for session in sessions:
            self.assertTrue(session.startswith("-"))
            self.assertLess(int(session[1:]), 2**63)

    def test_ids_and_types_by_model(self) -> None:
        self.assertEqual(envelope.request_type("gemini-3-pro"), "agent")
        self.assertEqual(envelope.request_type("gemini-3.1-flash-image"), "image_gen")
        self.assertEqual(envelope.request_id("agent", 12, "0123456789ab"), "agent/12/01234567")
        self.assertEqual(envelope.request_id("image_gen", 12, "0123"), "agent-0123")


class Service(World):
    """A service that gives tokens, projects and models; ``answers`` overrides a method."""

    def __init__(self, **answers: Callable[[Any], Any]) -> None:
        super().__init__(self.reply)
        self.answers = answers
        self.tokens = 0
        self.waiting: list[Deferred[Any]] | None = None

    def reply(self, request: Any) -> Any:
        if request.url == TOKEN_URL:
            if self.waiting is not None:
                self.waiting.append(waiter := Deferred())
                return waiter
            return self.token(request)
        method = request.url.partition("v1internal:")[2].partition("?")[0]
        answer = self.answers.get(method, self.default)
        return answer(request)

    def token(self, request: Any) -> Any:
        if "token" in self.answers:
            return self.answers["token"](request)
        self.tokens += 1
        return (200, {"access_token": f"at-{self.tokens}", "expires_in": 3599})

    def default(self, request: Any) -> Any:
        if "loadCodeAssist" in request.url:
            return (200, {"cloudaicompanionProject": "found"})
        return (500, b"")

    def calls(self, method: str) -> list[Any]:
        return [request for request in self.transport.requests if method in request.url]

    def upstream(self, **settings: Any) -> Any:
        oauth = OAuthSettings("id", Secret("client-secret"), TOKEN_URL)
        return self.build(CodeAssistKind(), **({"oauth": oauth} | settings))


class Case(SynchronousTestCase):
    def prepare(self, upstream: Any, operation: str = "stream", **options: Any) -> Deferred[Any]:
        return upstream.prepare(
            operation,
            options.get("protocol", "gemini"),
            options.get("model", "gemini-3-pro"),
            options.get("body", BODY),
            options.get("credential", credential("rt-1", label="me@mail.test")),
            {"user-agent": "somebody"},
        )

    def prepared(self, upstream: Any, operation: str = "stream", **options: Any) -> Any:
        return self.successResultOf(self.prepare(upstream, operation, **options))


class Requests(Case):
    def test_the_order_of_addresses(self) -> None:
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

    def test_a_count_needs_no_project(self) -> None:
        service = Service()
        request = self.prepared(service.upstream(), "count_tokens")[0]
        self.assertEqual(list(msgspec.json.decode(request.body)), ["request"])
        self.assertEqual(service.calls("loadCodeAssist"), [])

    def test_another_protocol(self) -> None:
        preparing = self.prepare(Service().upstream(), protocol="anthropic")
        self.failureResultOf(preparing, UnavailableError)

    def test_it_wraps(self) -> None:
        upstream = Service().upstream()
        self.assertTrue(upstream.wraps())
        self.assertEqual(upstream.unwrap(b'{"response":{"a":1}}'), b'{"a":1}')
        self.assertIn("codeassist", upstream.quirks)

    def test_models(self) -> None:
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
    def test_one_refresh_for_all_who_wait(self) -> None:
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

    def test_what_is_asked(self) -> None:
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

    def test_a_refused_token_goes_but_not_the_one_that_replaced_it(self) -> None:
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

    def test_a_revoked_refresh_token(self) -> None:
        service = Service(token=lambda request: (400, {"error": "invalid_grant"}))
        preparing = [self.prepare(service.upstream(project="p"))]
        error = self.failureResultOf(preparing[0], UpstreamCredentialError).value
        self.assertIn("me@mail.test", error.message)
        self.assertEqual([name for name, _ in service.invalid], ["c1"])
        self.assertNotIn("rt-1", error.message + service.invalid[0][1])

    def test_a_client_that_is_refused(self) -> None:
        service = Service(token=lambda request: (401, {"error": "invalid_client"}))
        error = self.failureResultOf(
            self.prepare(service.upstream(project="p")), UnavailableError
        ).value
        self.assertIn("upstreams.mine.oauth.client_id", error.message)
        self.assertEqual(service.invalid, [])

    def test_no_client_at_all(self) -> None:
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

    def test_a_token_that_still_lasts_is_used_while_the_server_is_in_trouble(self) -> None:
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
    def test_an_accounts_own_project_comes_first_then_the_configured_one(self) -> None:
        service = Service()
        upstream = service.upstream(project="configured")
        own = credential("rt", extra={"project": "own"})
        for given, project in ((own, "own"), (credential("rt"), "configured")):
            body = self.prepared(upstream, credential=given)[0].body
            self.assertEqual(msgspec.json.decode(body)["project"], project)
        self.assertEqual(service.calls("loadCodeAssist"), [])

    def test_it_is_asked_for_once(self) -> None:
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

    def test_an_account_without_one_is_set_up(self) -> None:
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

    def test_setting_up_does_not_take_forever(self) -> None:
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

    def test_nothing_is_made_up(self) -> None:
        for answer in ({}, {"allowedTiers": [{"id": "paid"}]}, {"cloudaicompanionProject": ""}):
            service = Service(loadCodeAssist=lambda request, answer=answer: (200, answer))
            error = self.failureResultOf(self.prepare(service.upstream()), UpstreamError).value
            self.assertIn("upstreams.mine.project", error.message)
            self.assertIn("me@mail.test", error.message)

    def test_a_401_while_asking_drops_the_token(self) -> None:
        service = Service(loadCodeAssist=lambda request: (401, b""))
        upstream = service.upstream()
        self.failureResultOf(self.prepare(upstream), UpstreamCredentialError)
        service.clock.advance(60)
        self.failureResultOf(self.prepare(upstream), UpstreamCredentialError)
        self.failureResultOf(self.prepare(upstream), UpstreamCredentialError)
        self.assertEqual(service.tokens, 2)


class Flights(SynchronousTestCase):
    def test_who_leaves_does_not_take_the_answer_along(self) -> None:
        flights: SingleFlight[int] = SingleFlight()
        asking: Deferred[int] = Deferred()
        first = flights.join("k", lambda: asking)
        second = flights.join("k", lambda: self.fail("asked twice"))
        first.cancel()
        self.failureResultOf(first, CancelledError)
        asking.callback(7)
        self.assertEqual(self.successResultOf(second), 7)

    def test_the_last_one_to_leave_puts_out_the_light(self) -> None:
        flights: SingleFlight[int] = SingleFlight()
        cancelled: list[Any] = []
        waiters = [flights.join("k", lambda: Deferred(cancelled.append)) for _ in range(3)]
        for waiter in waiters:
            waiter.cancel()
            self.failureResultOf(waiter, CancelledError)
        self.assertEqual(len(cancelled), 1)
        again: Deferred[int] = Deferred()
        asked = flights.join("k", lambda: again)
        again.callback(1)
        self.assertEqual(self.successResultOf(asked), 1)

    def test_everybody_hears_of_a_failure_and_the_next_one_asks_anew(self) -> None:
        flights: SingleFlight[int] = SingleFlight()
        asking: Deferred[int] = Deferred()
        waiters = [flights.join("k", lambda: asking) for _ in range(3)]
        asking.errback(UpstreamError("x"))
        for waiter in waiters:
            self.failureResultOf(waiter, UpstreamError)
        fresh: Deferred[int] = Deferred()
        self.assertNoResult(flights.join("k", lambda: fresh))
