"""The envelope, and questions that many ask at once: no I/O."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from twisted.internet.defer import CancelledError, Deferred
from twisted.trial.unittest import SynchronousTestCase

from antigravity.ir.errors import (
    InvalidRequestError,
    UpstreamError,
)
from antigravity.upstreams.codeassist import envelope
from antigravity.upstreams.codeassist.single_flight import SingleFlight
from tests.upstreams.fake_codeassist import BODY


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
    def test_wrapped_body_is_unchanged(self) -> None:
        self.assertEqual(
            wrapped(),
            b'{"requestId":"agent/1/00000000","model":"gemini-3-pro",'
            b'"userAgent":"antigravity-gateway","requestType":"agent","request":{'
            b'"systemInstruction":{"parts":[]},"tools":[ ],"safetySettings":[],"sessionId":"-7",'
            b'"labels":{"a":1.0},"contents":[{"role":"user","parts":[{"text":"\xc3\xa9 \\u00e9"}]'
            b'}]},"project":"p1"}',
        )

    def test_unknown_project_is_omitted(self) -> None:
        self.assertNotIn("project", msgspec.json.decode(wrapped(project="")))

    def test_session_of_body_is_kept(self) -> None:
        for name in (b"sessionId", b"session_id"):
            body = wrapped(b'{"%b":"mine","contents":[]}' % name)
            self.assertEqual(
                msgspec.json.decode(body)["request"], {"sessionId": "mine", "contents": []}
            )

    def test_token_count_has_accepted_fields_only(self) -> None:
        counted = msgspec.json.decode(envelope.wrap_count(BODY))
        self.assertEqual(list(counted), ["request"])
        self.assertEqual(
            list(counted["request"]), ["systemInstruction", "tools", "labels", "contents"]
        )
        self.assertEqual(
            envelope.wrap_count(b'{"generateContentRequest":{"model":"m","contents":[]}}'),
            b'{"request":{"contents":[]}}',
        )

    def test_body_that_is_no_object_is_rejected(self) -> None:
        for body in (b"", b"[]", b"1", b'{"a":', b'"x"'):
            with pytest.raises(InvalidRequestError):
                wrapped(body)
            with pytest.raises(InvalidRequestError):
                envelope.wrap_count(body)

    def test_responses_are_unwrapped(self) -> None:
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


class Flights(SynchronousTestCase):
    def test_cancelled_waiter_does_not_cancel_others(self) -> None:
        flights: SingleFlight[int] = SingleFlight()
        asking: Deferred[int] = Deferred()
        first = flights.join("k", lambda: asking)
        second = flights.join("k", lambda: self.fail("asked twice"))
        first.cancel()
        self.failureResultOf(first, CancelledError)
        asking.callback(7)
        self.assertEqual(self.successResultOf(second), 7)

    def test_last_cancelled_waiter_cancels_request(self) -> None:
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

    def test_failure_is_reported_to_all_waiting_and_next_request_retries(self) -> None:
        flights: SingleFlight[int] = SingleFlight()
        asking: Deferred[int] = Deferred()
        waiters = [flights.join("k", lambda: asking) for _ in range(3)]
        asking.errback(UpstreamError("x"))
        for waiter in waiters:
            self.failureResultOf(waiter, UpstreamError)
        fresh: Deferred[int] = Deferred()
        self.assertNoResult(flights.join("k", lambda: fresh))
