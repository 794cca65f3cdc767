"""What a running gateway does while its ledger cannot be used: it serves, and catches up."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from twisted.internet import reactor as default_reactor
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.task import Clock, deferLater
from twisted.trial.unittest import SynchronousTestCase

from antigravity.interfaces.ledger import RequestQuestion
from antigravity.ledger import service as module
from antigravity.ledger.bounds import Bounds
from antigravity.ledger.database import VERSION
from antigravity.ledger.queries import Query
from antigravity.ledger.service import Ledger
from antigravity.ledger.sqlite import SqliteDatabase
from antigravity.ledger.steady_time import SteadyTime
from tests.service.account_fixture import AccountCase
from tests.support.conditions import eventually
from tests.support.records import make_record, price

reactor: Any = default_reactor
DAY = 86_400.0
_ALL = Query("SELECT sum(requests) AS requests FROM names_by_hour WHERE kind = 'all'", {})


def _run_at_once(function: Any, *arguments: Any) -> Deferred[Any]:
    return maybeDeferred(function, *arguments)


class RecordedErrors:
    """A log that keeps its errors."""

    def __init__(self, errors: list[str]) -> None:
        self._errors = errors

    def error(self, text: str, **values: object) -> None:
        self._errors.append(text.format(**values))

    def info(self, text: str, **values: object) -> None:
        pass

    failure = warn = error


class FaultTests(AccountCase):
    timeout = 120

    def setUp(self) -> None:
        self.errors: list[str] = []
        self.patch(module, "_FIRST_PAUSE", 0.05)
        self.patch(module, "_LONGEST_PAUSE", 0.05)
        log = RecordedErrors(self.errors)
        self.patch(Ledger, "log", log)

    @property
    def ledger(self) -> Ledger:
        assert self.gateway is not None
        assert self.gateway.ledger.ledger is not None
        return self.gateway.ledger.ledger

    @property
    def path(self) -> Path:
        return self.home / "state" / "ledger.db"

    async def rows(self) -> int:
        await self.ledger.flush()
        rows = await self.ledger.ask(lambda r: r.requests(RequestQuestion(limit=500))[0])
        return len(rows)

    async def served_without_ledger(self, problem: str) -> None:
        """Check that requests are served, and that the problem is said once."""
        for _ in range(3):
            self.assertEqual(await self.ask("hi"), 200)
            await deferLater(reactor, 0.3)
        status = self.ledger.status()
        self.assertIn(problem, status.problem)
        self.assertEqual((status.waiting, status.lost), (3, 0))
        self.assertEqual(len(self.errors), 1, self.errors)

    async def caught_up(self, count: int) -> None:
        """Check that all rows are written once the ledger can be used again."""
        await eventually(lambda: not self.ledger.status().problem)
        await eventually(lambda: not self.ledger.status().waiting)
        self.assertEqual(await self.rows(), count)
        self.assertEqual(self.ledger.status().lost, 0)

    async def test_full_disk(self) -> None:
        await self.start("one")
        self.assertEqual(await self.ask("hi"), 200)
        self.assertEqual(await self.rows(), 1)
        connect, full = SqliteDatabase._connect, [True]

        def connect_to_full_disk(database: SqliteDatabase) -> Any:
            connection = connect(database)
            if full[0]:  # no page more than the file has
                connection.execute("PRAGMA max_page_count = 1")
            return connection

        self.patch(SqliteDatabase, "_connect", connect_to_full_disk)
        await self.ledger._in_writer(lambda worker: worker.close())
        # Rows that fill the pages that are left, as those of a busy gateway would.
        filler = [make_record(number, error="E: " + "x" * 900) for number in range(400)]
        for record in filler:
            self.ledger.add(record)
        await eventually(lambda: self.ledger.status().problem)
        self.assertIn("full", self.ledger.status().problem)
        for _ in range(3):
            self.assertEqual(await self.ask("hi"), 200)
        self.assertEqual(len(self.errors), 1, self.errors)
        full[0] = False
        await self.caught_up(404)

    async def test_ledger_that_is_not_writable(self) -> None:
        await self.start("one")
        await self.stop()
        self.path.unlink(missing_ok=True)
        self.path.mkdir()
        await self.run_gateway()
        await self.served_without_ledger("ledger.db")
        self.path.rmdir()
        await self.caught_up(3)

    async def test_ledger_of_newer_version(self) -> None:
        await self.start("one")
        await self.ask("hi")
        await self.stop()
        with closing(sqlite3.connect(self.path)) as connection:
            connection.execute("PRAGMA user_version = 99")
        content = self.path.read_bytes()
        await self.run_gateway()
        await self.served_without_ledger("newer version")
        self.assertEqual(self.path.read_bytes(), content)
        with closing(sqlite3.connect(self.path)) as connection:
            connection.execute(f"PRAGMA user_version = {VERSION}")
        await self.caught_up(4)

    async def test_damaged_ledger(self) -> None:
        await self.start("one")
        await self.ask("hi")
        await self.stop()
        content = self.path.read_bytes()
        self.path.write_bytes(content[:100] + b"\xff" * (len(content) - 100))
        await self.run_gateway()
        self.assertEqual(await self.ask("hi"), 200)
        self.assertEqual(await self.rows(), 1)
        self.assertTrue(self.path.with_name("ledger.db.broken").exists())
        self.assertEqual(self.ledger.status().problem, "")

    async def test_hundred_thousand_requests_a_minute(self) -> None:
        await self.start("one")
        ledger, sent, longest = self.ledger, 0, 0.0
        ledger.bounds = Bounds(max_age=0, max_bytes=2**20)  # old rows go all the time
        before = last = reactor.seconds()
        while last - before < 2.0:
            for _ in range(17):
                sent += 1
                ledger.add(make_record(sent))
            await deferLater(reactor, 0.01)
            now = reactor.seconds()
            longest, last = max(longest, now - last), now
        self.assertEqual(await self.ask("hi"), 200)
        await eventually(lambda: not ledger.status().waiting)
        await ledger.flush()
        status = ledger.status()
        self.assertEqual((status.lost, status.problem), (0, ""))
        (total,) = await ledger.ask(lambda reader: reader._fetch(_ALL))
        self.assertEqual(total["requests"], sent + 1)


class SteadyTimeTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock, self.leap = Clock(), 0.0
        self.time = SteadyTime(self.clock, lambda: 1e9 + self.clock.seconds() + self.leap)

    def after(self, seconds: float) -> float:
        """Return the time in days since the start, so many seconds later."""
        self.clock.advance(seconds)
        return round((self.time() - 1e9) / DAY, 1)

    def test_time_follows_the_calendar(self) -> None:
        self.assertEqual(self.after(100 * DAY), 100)
        self.leap = 1800  # a slow clock that is corrected
        self.assertAlmostEqual(self.time(), 1e9 + 100 * DAY + 1800)

    def test_leap_ahead_is_believed_after_a_day(self) -> None:
        self.leap = 3650 * DAY
        self.assertEqual(self.after(600), 0)
        self.assertEqual(self.after(DAY / 2), 0.5)
        self.assertEqual(self.after(DAY / 2), 3651)

    def test_leap_that_is_taken_back_changes_nothing(self) -> None:
        self.leap = 3650 * DAY
        self.assertEqual(self.after(600), 0)
        self.leap = 0.0
        self.assertEqual(self.after(DAY), 1)
        self.leap = 3650 * DAY
        self.assertEqual(self.after(600), 1)

    def test_clock_that_goes_back_is_believed_at_once(self) -> None:
        self.leap = -3650 * DAY
        self.assertEqual(self.after(600), -3650)

    def test_rows_outlast_a_leap(self) -> None:
        path = Path(self.mktemp()) / "ledger.db"
        path.parent.mkdir()
        ledger = Ledger(
            self.clock,
            path,
            Bounds(max_age=90 * DAY, max_bytes=0),
            price,
            now=lambda: 1e9 + self.clock.seconds() + self.leap,
            run=_run_at_once,
        )
        ledger.startService()
        ledger.add(make_record(1, started=1e9))
        self.clock.advance(1)
        self.leap = 3650 * DAY
        ledger.add(make_record(2, started=1e9 + self.leap))
        self.clock.pump([1, 600, 600, 1])
        self.leap = 0.0
        ledger.add(make_record(3, started=1e9))
        self.clock.pump([1, 600, 600, 1])
        rows = self.successResultOf(ledger.ask(lambda r: r.requests(RequestQuestion())[0]))
        self.assertEqual([row["id"] for row in rows], ["req_2", "req_3", "req_1"])
        self.successResultOf(ledger.stopService())
