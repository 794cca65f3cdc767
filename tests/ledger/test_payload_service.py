"""Payloads are written by the ledger's thread, after rows, and never hold up anything else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from antigravity.interfaces.payloads import RawBody, RawMessage, RawPayloads, ReplayRoute
from antigravity.ledger import payload_rows
from antigravity.ledger.bounds import Bounds
from antigravity.ledger.service import Ledger
from antigravity.redaction.credentials import CREDENTIALS
from tests.support.records import START, make_record, price

KEY = "sk-client-0123456789abcdef"


def payloads_of(request_id: str, text: str = "hello") -> RawPayloads:
    data = text.encode()
    body = RawBody((data,), (), len(data))
    message = RawMessage("from_client", (), body, "POST", "/v1/x")
    return RawPayloads(request_id, ReplayRoute("anthropic", "POST", "/v1/x"), [message])


class PayloadServiceTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.held: list[tuple[Deferred[Any], Any]] | None = None
        self.path = Path(self.mktemp()) / "ledger.db"
        self.path.parent.mkdir()
        self.ledger = Ledger(
            self.clock,
            self.path,
            Bounds(0, 0),
            price,
            now=lambda: START + self.clock.seconds(),
            run=self.run_work,
        )
        self.ledger.startService()
        self.addCleanup(lambda: self.ledger.running and self.stop())

    def stop(self) -> None:
        self.successResultOf(self.ledger.stopService())

    def run_work(self, function: Any, *arguments: Any) -> Deferred[Any]:
        if self.held is None:
            return maybeDeferred(function, *arguments)
        done: Deferred[Any] = Deferred()
        self.held.append((done, lambda: function(*arguments)))
        return done

    def bodies(self, request_id: str) -> list[bytes]:
        asked = self.ledger.ask(lambda reader: reader.payloads(request_id), payloads=True)
        return [payload_rows.decode_body(row["body"]) for row in self.successResultOf(asked)]

    def test_question_waits_for_those_that_are_being_written(self) -> None:
        self.clock.advance(1)  # the bounds are kept
        self.assertEqual(self.bodies("req_1"), [])  # opens the reader, which waits as well
        self.ledger.payloads.put(payloads_of("req_1"))
        self.held = []
        self.clock.advance(0.2)
        ((done, work),) = self.held
        self.held = None
        asked = self.ledger.ask(lambda reader: reader.payloads("req_1"), payloads=True)
        self.assertNoResult(asked)
        done.callback(work())
        self.assertEqual(len(self.successResultOf(asked)), 1)

    def test_they_are_written_after_a_short_time(self) -> None:
        self.ledger.payloads.put(payloads_of("a"))
        self.clock.advance(0.2)
        self.assertEqual(len(self.ledger.payloads), 0)
        self.assertEqual(self.bodies("a"), [b"hello"])
        self.assertEqual(self.bodies("b"), [])

    def test_question_about_them_has_what_waits(self) -> None:
        self.ledger.payloads.put(payloads_of("a"))
        self.assertEqual(self.bodies("a"), [b"hello"])

    def test_question_about_rows_does_not_wait_for_them(self) -> None:
        self.ledger.add(make_record(1))
        self.ledger.payloads.put(payloads_of("a"))
        found = self.ledger.ask(lambda reader: reader.request("req_1"))
        self.assertIsNotNone(self.successResultOf(found))
        self.assertEqual(len(self.ledger.payloads), 1)

    def test_all_are_written_at_the_end(self) -> None:
        for number in range(50):
            self.ledger.payloads.put(payloads_of(f"req_{number}"))
        self.stop()
        self.assertEqual(len(self.ledger.payloads), 0)
        self.assertEqual(self.ledger.payloads._used, 0)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_many_are_written_one_batch_after_the_other(self) -> None:
        self.clock.advance(0.1)  # the first look for old rows
        for number in range(50):
            self.ledger.payloads.put(payloads_of(f"req_{number}"))
        self.held = []
        self.clock.advance(0.2)
        self.assertEqual(len(self.ledger.payloads), 30)
        done, work = self.held.pop()
        self.held = None
        done.callback(work())
        self.clock.advance(0)
        self.assertEqual(len(self.ledger.payloads), 0)

    def test_they_wait_while_nothing_can_be_written(self) -> None:
        self.path.mkdir()
        self.ledger.payloads.put(payloads_of("a"))
        self.clock.advance(0.2)
        self.assertEqual(len(self.ledger.payloads), 1)
        self.path.rmdir()
        self.clock.advance(1)
        self.assertEqual(self.bodies("a"), [b"hello"])
        self.flushLoggedErrors()

    def test_credentials_of_now_are_removed(self) -> None:
        CREDENTIALS.hold(self, [KEY])
        self.addCleanup(CREDENTIALS.release, self)
        self.ledger.addresses = lambda: {"jane@example.com": "ja***@example.com"}
        self.ledger.payloads.put(payloads_of("a", f"{KEY} of jane@example.com"))
        self.assertEqual(self.bodies("a"), [b"[redacted] of ja***@example.com"])

    def test_one_that_cannot_be_stored_does_not_hold_up_others(self) -> None:
        broken = payloads_of("broken")
        broken.messages[0].attempt = 10**30
        for each in (payloads_of("a"), broken, payloads_of("b")):
            self.ledger.payloads.put(each)
        self.assertEqual(self.bodies("a"), [b"hello"])
        self.assertEqual(self.bodies("b"), [b"hello"])
        self.assertEqual(self.bodies("broken"), [])
        self.assertEqual(len(self.flushLoggedErrors(OverflowError)), 1)
