"""The ledger as a service: nothing waits for it, and nothing is lost while it cannot be written."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any, ClassVar

import pytest
from twisted.internet import reactor
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase, TestCase

from antigravity.interfaces.ledger import RequestQuestion
from antigravity.ledger import service as module
from antigravity.ledger.bounds import Bounds
from antigravity.ledger.errors import LedgerError
from antigravity.ledger.queries import Span
from antigravity.ledger.service import Ledger
from antigravity.redaction.credentials import CREDENTIALS
from antigravity.stores.postgres_server import Server
from tests.support.conditions import eventually
from tests.support.postgres import PostgresServer
from tests.support.records import START, make_record, price

BOUNDS = Bounds(max_age=90 * 86_400, max_bytes=2**30)


class ServiceTests(SynchronousTestCase):
    """With a clock, and without threads."""

    options: ClassVar[dict[str, Any]] = {}

    def setUp(self) -> None:
        self.clock = Clock()
        self.waiting: list[tuple[Deferred[Any], Any]] | None = None
        self.path = Path(self.mktemp()) / "ledger.db"
        self.path.parent.mkdir()
        self.ledger = self.make()

    def make(self) -> Ledger:
        ledger = Ledger(
            self.clock,
            self.path,
            BOUNDS,
            price,
            now=lambda: START + self.clock.seconds(),
            run=self.run_later,
            **self.options,
        )
        ledger.startService()
        self.addCleanup(lambda: ledger.running and self.successResultOf(ledger.stopService()))
        return ledger

    def run_later(self, function: Any, *arguments: Any) -> Deferred[Any]:
        if self.waiting is None:
            return maybeDeferred(function, *arguments)
        done: Deferred[Any] = Deferred()

        def work() -> Any:
            return function(*arguments)

        work.__name__ = function.__name__
        self.waiting.append((done, work))
        return done

    def ids(self) -> list[str]:
        rows = self.successResultOf(
            self.ledger.ask(lambda r: r.requests(RequestQuestion(limit=499))[0])
        )
        return [row["id"] for row in rows]

    def test_records_are_written_together_after_a_short_time(self) -> None:
        self.clock.advance(1)
        self.ledger.add(make_record(1))
        self.ledger.add(make_record(2))
        self.clock.advance(0.1)
        self.assertEqual(self.ledger.status().waiting, 2)
        self.clock.advance(0.1)
        self.assertEqual(self.ids(), ["req_2", "req_1"])
        self.assertEqual(self.ledger.status().waiting, 0)
        self.assertGreater(self.ledger.status().size, 0)

    def test_full_batch_is_written_at_once(self) -> None:
        for number in range(module.BATCH + 1):
            self.ledger.add(make_record(number))
        self.clock.advance(0)
        self.assertEqual(self.ledger.status().waiting, 1)
        self.clock.advance(0.2)
        self.assertEqual(self.ledger.status().waiting, 0)

    def test_record_that_came_meanwhile_waits_no_longer_than_others(self) -> None:
        self.clock.advance(1)
        self.ledger.add(make_record(1))
        self.waiting = []
        self.clock.advance(0.2)
        self.clock.advance(0.05)
        self.ledger.add(make_record(2))
        self.clock.advance(0.1)
        ((done, work),) = self.waiting
        self.waiting = None
        done.callback(work())
        self.clock.advance(0.05)
        self.assertEqual(self.ledger.status().waiting, 1)
        self.clock.advance(0.06)
        self.assertEqual(self.ledger.status().waiting, 0)

    def test_question_waits_for_what_is_being_written(self) -> None:
        self.clock.advance(1)
        # The first question would wait in any case, for the reader to be opened.
        opened = self.ledger.ask(lambda reader: reader.requests(RequestQuestion())[0])
        self.assertEqual(self.successResultOf(opened), [])
        self.waiting = []
        self.ledger.add(make_record(1))
        self.clock.advance(0.2)
        ((done, work),) = self.waiting
        self.assertEqual(self.ledger.status().waiting, 1)
        self.waiting = None
        asked = self.ledger.ask(lambda reader: reader.requests(RequestQuestion())[0])
        self.assertNoResult(asked)
        done.callback(work())
        self.assertEqual([row["id"] for row in self.successResultOf(asked)], ["req_1"])

    def test_stop_writes_what_waits(self) -> None:
        self.ledger.add(make_record(1))
        self.ledger.add_refusal("wrong key")
        self.successResultOf(self.ledger.stopService())
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.ledger = self.make()
        self.assertEqual(self.ids(), ["req_1"])
        hour = int(START // 3600)
        found = self.successResultOf(self.ledger.ask(lambda r: r.refusals(hour, hour + 1)))
        self.assertEqual(found, {"wrong key": 1})

    def test_stop_writes_more_than_one_batch(self) -> None:
        for number in range(2 * module.BATCH + 7):
            self.ledger.add(make_record(number))
        self.successResultOf(self.ledger.stopService())
        self.ledger = self.make()
        (total,) = self.successResultOf(self.ledger.ask(lambda r: r.add_up(Span(0, 10**6))))
        self.assertEqual(total["requests"], 2 * module.BATCH + 7)

    def test_stop_ends_when_nothing_can_be_written(self) -> None:
        self.ledger.add(make_record(1))
        self.path.unlink(missing_ok=True)
        self.path.mkdir()
        self.ledger._run(
            lambda: self.ledger._storage.worker and self.ledger._storage.worker.close()
        )
        self.successResultOf(self.ledger.stopService())
        self.assertEqual(self.ledger.status().waiting, 1)
        self.failureResultOf(self.ledger.ask(lambda reader: reader.names("model")), LedgerError)

    def test_one_thread_at_a_time_works_in_the_database(self) -> None:
        self.waiting = []
        self.clock.advance(0.1)  # the first look for old rows
        self.ledger.add(make_record(1))
        asked = [self.ledger.ask(lambda reader: reader.names("client")) for _ in range(3)]
        self.clock.advance(0.2)
        while self.waiting:
            writers = [each for each in self.waiting if each[1].__name__ == "_work"]
            self.assertLessEqual(len(writers), 1)
            done, work = self.waiting.pop(0)
            done.callback(work())
        self.waiting = None
        self.assertEqual([self.successResultOf(each) for each in asked], [["claude-code"]] * 3)

    def test_record_that_cannot_be_stored_is_left_out(self) -> None:
        bad = make_record(2, status=2**80)
        for record in (make_record(1), bad, make_record(3)):
            self.ledger.add(record)
        self.ledger.add_refusal("host")
        self.clock.advance(0.2)
        self.assertEqual(self.ids(), ["req_3", "req_1"])
        self.assertEqual((self.ledger.status().lost, self.ledger.status().problem), (1, ""))
        hour = int(START // 3600)
        found = self.successResultOf(self.ledger.ask(lambda r: r.refusals(hour, hour + 1)))
        self.assertEqual(found, {"host": 1})
        self.assertEqual(len(self.flushLoggedErrors(OverflowError)), 1)

    def test_failing_listener_does_not_stop_the_ledger(self) -> None:
        seen: list[int] = []
        self.ledger.listen(lambda rows: 1 / 0)
        self.ledger.listen(lambda rows: seen.append(len(rows)))
        for number in range(2):
            self.ledger.add(make_record(number))
            self.clock.advance(0.2)
        self.assertEqual(seen, [1, 1])
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 2)

    def test_stop_waits_for_running_write(self) -> None:
        self.clock.advance(1)
        self.waiting = []
        self.ledger.add(make_record(1))
        self.clock.advance(0.2)
        self.ledger.add(make_record(2))
        stopped = self.ledger.stopService()
        while self.waiting:
            self.assertNoResult(stopped)
            done, work = self.waiting.pop(0)
            done.callback(work())
        self.successResultOf(stopped)
        self.waiting = None
        self.ledger = self.make()
        self.assertEqual(self.ids(), ["req_2", "req_1"])

    def test_failed_write_is_tried_again_with_growing_pauses(self) -> None:
        self.clock.advance(1)
        lock = sqlite3.connect(self.path, isolation_level=None)
        self.addCleanup(lock.close)
        self.patch(sqlite3, "connect", connect_without_waiting(sqlite3.connect))
        self.successResultOf(self.ledger.flush())
        self.ledger._storage.worker.close()  # type: ignore[union-attr]
        lock.execute("BEGIN IMMEDIATE")
        self.ledger.add(make_record(1))
        self.clock.advance(0.2)
        self.assertIn("locked", self.ledger.status().problem)
        self.clock.advance(1)
        self.ledger.add(make_record(2))
        self.ledger.add_refusal("host")
        self.clock.advance(1.5)
        self.assertEqual(self.ledger.status().waiting, 2)
        lock.execute("COMMIT")
        self.clock.advance(1)
        self.assertEqual(self.ledger.status().problem, "")
        self.assertEqual(self.ids(), ["req_2", "req_1"])

    def test_too_many_waiting_records_are_counted_as_lost(self) -> None:
        self.patch(module, "QUEUE_LIMIT", 3)
        for number in range(5):
            self.ledger.add(make_record(number))
        self.assertEqual((self.ledger.status().waiting, self.ledger.status().lost), (3, 2))
        self.clock.advance(0.2)
        self.assertEqual(self.ids(), ["req_4", "req_3", "req_2"])

    def test_listeners_get_written_rows(self) -> None:
        seen: list[str] = []
        stop = self.ledger.listen(lambda rows: seen.extend(row.id for row in rows))
        self.ledger.add(make_record(1))
        self.clock.advance(0.2)
        stop()
        self.ledger.add(make_record(2))
        self.clock.advance(0.2)
        self.assertEqual(seen, ["req_1"])

    def test_damaged_file_is_replaced_and_nothing_is_lost(self) -> None:
        self.successResultOf(self.ledger.stopService())
        self.path.write_bytes(b"damaged" * 1000)
        self.ledger = self.make()
        self.ledger.add(make_record(1))
        self.clock.advance(0.2)
        self.assertEqual(self.ids(), ["req_1"])
        self.assertTrue(self.path.with_name("ledger.db.broken").exists())

    def test_messages_of_errors_hold_no_credentials(self) -> None:
        CREDENTIALS.hold(self, ["sk-very-secret-key"])
        self.addCleanup(CREDENTIALS.release, self)
        record = make_record(1, outcome="error", error="ServerError: key sk-very-secret-key!")
        record.attempts[0].error = record.error
        self.ledger.add(record)
        self.clock.advance(0.2)
        row = self.successResultOf(self.ledger.ask(lambda reader: reader.request("req_1")))
        self.assertEqual(row["error"], "key [redacted]!")
        self.assertEqual(row["attempts"][0]["error"], "ServerError: key [redacted]!")
        self.assertIn("very-secret", record.error or "")

    def test_old_rows_go_while_new_ones_come(self) -> None:
        self.ledger.add(make_record(1))
        self.clock.advance(1)
        self.clock.advance(91 * 86_400)
        self.ledger.add(make_record(2))
        self.clock.advance(0.2)
        self.clock.advance(601)
        self.assertEqual(self.ids(), ["req_2"])


def connect_without_waiting(connect: Any) -> Any:
    return lambda path, **options: connect(path, **{**options, "timeout": 0.0})


class ServerTests(ServiceTests):
    """The same with a PostgreSQL server, and what happens when it is away."""

    test_stop_ends_when_nothing_can_be_written = None
    test_record_that_cannot_be_stored_is_left_out = None
    test_failed_write_is_tried_again_with_growing_pauses = None
    test_damaged_file_is_replaced_and_nothing_is_lost = None

    @pytest.fixture(autouse=True)
    def use_server(self, postgres: PostgresServer) -> None:
        self.postgres = postgres
        self.options = {"server": Server(postgres.url()), "spool_limit": 2**20}  # type: ignore[misc]

    def test_status_names_server(self) -> None:
        self.ledger.add(make_record(1))
        self.clock.advance(0.2)
        self.clock.advance(0.1)
        status = self.ledger.status()
        self.assertEqual(status.path, f"postgresql://{self.postgres.directory}/postgres")
        self.assertGreater(status.size, 0)
        self.assertFalse(self.path.exists())

    def test_rows_wait_while_server_is_away(self) -> None:
        self.clock.advance(1)
        logged: list[str] = []
        self.patch(Ledger, "log", RecordedLog(logged))
        self.postgres.stop()
        self.addCleanup(self.postgres.start)
        for number in range(20):
            self.ledger.add(make_record(number))
            self.clock.advance(0.2)
        self.assertEqual((self.ledger.status().waiting, self.ledger.status().spooled), (0, 20))
        self.assertIn("cannot be used now", self.ledger.status().problem)
        self.failureResultOf(self.ledger.ask(lambda reader: reader.names("model")), LedgerError)
        self.postgres.start()
        self.clock.pump([1.0] * 40)
        status = self.ledger.status()
        self.assertEqual((status.spooled, status.lost, status.problem), (0, 0, ""))
        self.assertEqual(len(self.ids()), 20)
        self.assertEqual(len(logged), 2)
        self.postgres.stop()

    def test_rows_wait_for_next_start(self) -> None:
        self.clock.advance(1)
        self.postgres.stop()
        self.ledger.add(make_record(1))
        self.ledger.add_refusal("host")
        self.successResultOf(self.ledger.stopService())
        self.ledger = self.make()
        self.clock.advance(0.1)
        self.assertEqual(self.ledger.status().spooled, 1)
        self.postgres.start()
        self.clock.pump([1.0] * 5)
        self.assertEqual(self.ledger.status().spooled, 0)
        self.assertEqual(self.ids(), ["req_1"])
        hour = int(START // 3600)
        found = self.successResultOf(self.ledger.ask(lambda r: r.refusals(hour, hour + 1)))
        self.assertEqual(found, {"host": 1})
        self.assertEqual([each.name for each in self.path.parent.glob("*")], ["ledger.spool"])


class RecordedLog:
    """A log that keeps its messages."""

    def __init__(self, messages: list[str]) -> None:
        self._messages = messages

    def info(self, message: str, **values: object) -> None:
        self._messages.append(message.format(**values))

    error = info


class ThreadTests(TestCase):
    """With threads."""

    async def test_records_are_written_in_a_thread(self) -> None:
        path = Path(self.mktemp()) / "state" / "ledger.db"
        path.parent.parent.mkdir()
        ledger = Ledger(reactor, path, BOUNDS, price, now=lambda: START)
        ledger.startService()
        try:
            for number in range(1200):
                ledger.add(make_record(number))
            await eventually(lambda: not ledger.status().waiting)
            await ledger.flush()
            (total,) = await ledger.ask(lambda reader: reader.add_up(Span(0, 10**6)))
            self.assertEqual(total["requests"], 1200)
        finally:
            await ledger.stopService()
        self.assertFalse(path.with_name("ledger.db-wal").exists())

    async def test_first_question_waits_for_the_file(self) -> None:
        ledger = Ledger(reactor, Path(self.mktemp()), BOUNDS, price)
        ledger.startService()
        try:
            self.assertEqual(await ledger.ask(lambda reader: reader.names("model")), [])
        finally:
            await ledger.stopService()

    async def test_question_to_unusable_ledger_fails(self) -> None:
        path = Path(self.mktemp())
        path.mkdir()
        ledger = Ledger(reactor, path, BOUNDS, price)
        ledger.startService()
        try:
            with pytest.raises(LedgerError):
                await ledger.ask(lambda reader: reader.names("model"))
            ledger.add(make_record(1))
        finally:
            await ledger.stopService()
