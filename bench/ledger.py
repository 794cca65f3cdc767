"""How fast a large ledger answers: fills one with rows of 90 days, and asks what pages ask.

    python -m bench.ledger [--rows 5000000] [--keep DIRECTORY]

It prints, for each question, the median and the longest time, and how long another thread had to
wait for the interpreter meanwhile; the gateway's event loop is such a thread.  The first line is
what such a thread waits for on this machine while nothing is asked.
"""

from __future__ import annotations

import argparse
import random
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any, Final

import msgspec
from twisted.internet.task import Clock

from antigravity.daemon.interpreter import Interpreter
from antigravity.interfaces.ledger import RequestQuestion, UsageQuestion
from antigravity.ledger.answers import answer_request, answer_requests, answer_usage
from antigravity.ledger.block_builder import BlockBuilder
from antigravity.ledger.database import Database
from antigravity.ledger.names import KINDS
from antigravity.ledger.queries import OF_ROW
from antigravity.ledger.reader import Reader
from antigravity.ledger.rows import RequestRow, RowNumbers
from antigravity.ledger.sqlite import SqliteDatabase
from antigravity.ledger.sums import ALL, NAME_COLUMNS, VALUE_COLUMNS

NOW: Final = 1_796_032_800.0
DAYS: Final = 90
_BATCH: Final = 10_000
_TIMES: Final = 15


def make_rows(count: int) -> Iterator[RequestRow]:
    """Return rows of the last :data:`DAYS` days, oldest first."""
    chance, numbers = random.Random(1), RowNumbers()
    models = [f"model-{number}" for number in range(12)]
    sessions: list[tuple[str, str, str, str, str]] = []
    step = DAYS * 86_400 * 1_000_000 // count
    for number in range(count):
        ended = int(NOW * 1_000_000) - (count - number) * step
        # 40 sessions at a time, which keep their names for about 300 requests.
        if len(sessions) < 40 or not number % 8:
            model = models[min(11, int(chance.expovariate(0.5)))]
            upstream = chance.choice(("google", "anthropic"))
            client = chance.choice(("claude-code", "codex", "openai-python"))
            key = chance.choice(("0123456789abcdef", "fedcba9876543210"))
            account = f"{upstream}-{chance.randrange(4)}"
            sessions.append((model, upstream, client, key, account))
            del sessions[:-40]
        place = chance.randrange(len(sessions))
        model, upstream, client, key, account = sessions[place]
        failed = chance.random() < 0.02
        duration = int(chance.expovariate(1 / 4_000_000))
        yield RequestRow(
            number=numbers.next(ended),
            id=f"req_{number:024x}",
            started=ended - duration,
            protocol="anthropic",
            operation="generate",
            stream=1,
            client=client,
            key=key,
            session=f"session-{number // 12_000}-{place}",
            model=model,
            served_model=model,
            upstream=upstream,
            account=account,
            outcome="error" if failed else "ok",
            status=429 if failed else 200,
            error_kind="RateLimitedError" if failed else None,
            error="The account has reached its limit." if failed else None,
            attempts=1,
            first_byte=duration // 4,
            duration=duration,
            overhead=900,
            queue=100,
            input=2_000,
            cached=40_000,
            cache_write=1_000,
            cache_write_1h=0,
            output=700,
            reasoning=300,
            tool_input=0,
            image_input=0,
            image_output=0,
            audio_input=0,
            audio_output=0,
            searches=0,
            cost=25_000_000,
            list_cost=25_000_000,
            price_version="genai-prices 0/1",
            compressed=None,
            intercepted=None,
            route=None,
            warnings=None,
        )


def fill(database: SqliteDatabase, count: int) -> None:
    """Write ``count`` rows with their attempts, sums and names.

    The rows are inserted in the order of a running gateway, with all indexes in place, so that the
    file is as large as a real one.
    """
    connection = database.prepare()
    for setting in ("synchronous = OFF", "cache_size = -1000000", "temp_store = MEMORY"):
        connection.execute(f"PRAGMA {setting}")
    places = ", ".join("?" * len(RequestRow.__struct_fields__))
    columns = ", ".join(RequestRow.__struct_fields__)
    insert = f"INSERT INTO requests ({columns}) VALUES ({places})"
    rows = make_rows(count)
    while batch := list(islice(rows, _BATCH)):
        connection.execute("BEGIN")
        connection.executemany(insert, map(msgspec.structs.astuple, batch))
        connection.executemany(
            "INSERT INTO attempts VALUES (?, 0, 'google', ?, ?, 'gemini', 0, 200, NULL, 0, 1)",
            [(row.number, row.served_model, row.account) for row in batch],
        )
        connection.execute("COMMIT")
    connection.execute("BEGIN")
    for statement in _sums():
        connection.execute(statement)
    connection.execute("COMMIT")
    blocks = BlockBuilder(database)
    more = True
    while more:
        with database.transaction(connection):
            more = blocks.step(connection, NOW)
    (combined,) = connection.execute("SELECT count(*) FROM hours").fetchone()
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    connection.close()
    print(f"{count:,} rows, {combined:,} sums, {database.size() / 2**20:,.0f} MiB", flush=True)


def _sums() -> Iterator[str]:
    """Return the statements that add up all rows, and list their names."""
    values = ", ".join(VALUE_COLUMNS)
    sums = ", ".join(f"sum({OF_ROW.get(name, name)})" for name in VALUE_COLUMNS)
    hour, names = OF_ROW["hour"], [OF_ROW.get(name, name) for name in NAME_COLUMNS]
    every = ", ".join(names)
    yield (
        f"INSERT INTO hours (hour, {', '.join(NAME_COLUMNS)}, {values})"
        f" SELECT {hour}, {every}, {sums} FROM requests GROUP BY {hour}, {every}"
    )
    added = ", ".join(f"sum({name})" for name in VALUE_COLUMNS)
    for kind, name in ((ALL, "''"), *((name, name) for name in NAME_COLUMNS)):
        yield (
            f"INSERT INTO names_by_hour (kind, hour, name, {values})"
            f" SELECT '{kind}', hour, {name}, {added} FROM hours GROUP BY hour, {name}"
        )
    for kind in KINDS:
        yield (
            "INSERT INTO names (kind, name, used)"
            f" SELECT '{kind}', {kind}, max({hour}) FROM requests WHERE {kind} <> ''"
            f" GROUP BY {kind}"
        )


class Waiting:
    """A thread that only wants to run every millisecond, and notes how late it was."""

    def __init__(self) -> None:
        self.late = 0.0
        self._stopped = False
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        while not self._stopped:
            before = time.perf_counter()
            time.sleep(0.001)
            self.late = max(self.late, time.perf_counter() - before - 0.001)

    def stop(self) -> None:
        """End the thread."""
        self._stopped = True
        self._thread.join()


class _Idle:
    """What a gateway without requests does."""

    requests = 0
    is_translating = False
    configuration = None


def questions(count: int) -> dict[str, Callable[[Reader], Any]]:
    """Return what pages and commands ask."""

    def listed(**fields: Any) -> Callable[[Reader], Any]:
        return lambda reader: answer_requests(reader, RequestQuestion(**fields))

    def added(days: float, by: str, **fields: Any) -> Callable[[Reader], Any]:
        question = UsageQuestion(since=NOW - days * 86_400 - 1234, until=NOW, by=by, **fields)
        return lambda reader: answer_usage(reader, question, NOW)

    middle = RowNumbers().next(int((NOW - 45 * 86_400) * 1_000_000))
    return {
        "nothing": lambda reader: time.sleep(0.02),
        "list, newest": listed(),
        "list, in the middle": listed(before=middle),
        "list, 500 rows": listed(limit=500),
        "list, rare model": listed(model="model-11"),
        "list, unknown model": listed(model="none"),
        "list, account": listed(account="google-3"),
        "list, account and outcome": listed(account="google-3", outcome="error"),
        "list, model, account, client": listed(
            model="model-11", account="google-3", client="codex", outcome="error"
        ),
        "list, what never happens": listed(client="codex", account="none", outcome="error"),
        "list, upstream": listed(upstream="google"),
        "list, unknown upstream": listed(upstream="none"),
        "list, requested model": listed(requested_model="model-11"),
        "list, session": listed(session=f"session-{count // 24_000}-7"),
        "list, failed with text": listed(outcome="error", text="limit"),
        "list, text that is nowhere": listed(outcome="error", text="nowhere"),
        "list, an hour long ago": listed(since=NOW - 80 * 86_400, until=NOW - 80 * 86_400 + 3600),
        "list, longest": listed(sort="duration"),
        "list, most tokens of an account": listed(sort="tokens", account="google-3"),
        "list, most expensive, in the middle": listed(sort="cost", before=middle),
        "list, most expensive of a rare model": listed(sort="cost", model="model-11"),
        "list, longest of an upstream": listed(sort="duration", upstream="google"),
        "one request": lambda reader: answer_request(reader, f"req_{count // 2:024x}"),
        "usage, 1 hour by model": added(1 / 24, "model"),
        "usage, 24 hours by model": added(1, "model"),
        "usage, 24 hours by hour": added(1, "hour"),
        "usage, 7 days by day, model": added(7, "day,model"),
        "usage, 30 days by account": added(30, "account"),
        "usage, 90 days by model": added(90, "model"),
        "usage, 90 days by day": added(90, "day"),
        "usage, 90 days by month, client": added(90, "month,client"),
        "usage, 90 days by day, model": added(90, "day,model"),
        "usage, 90 days by model, account": added(90, "model,account"),
        "usage, 90 days by day, model, client": added(90, "day,model,client"),
        "usage, 90 days of an account": added(90, "model", account="google-3"),
        "usage, 7 days by hour, account": added(7, "hour,account"),
        "usage, 90 days, all five names": added(90, "model,upstream,account,client_key,client"),
        "names": lambda reader: [reader.names(kind) for kind in KINDS],
    }


def measure(database: Database, count: int) -> None:
    """Print how long each question takes."""
    reader = Reader(database)
    interpreter = Interpreter(Clock(), _Idle())  # as in a gateway
    interpreter.startService()
    print(f"{'':36}{'median':>9}{'longest':>9}{'others wait':>13}   (ms)")
    for name, ask in questions(count).items():
        waiting = Waiting()
        times = []
        for _ in range(_TIMES):
            before = time.perf_counter()
            ask(reader)
            times.append((time.perf_counter() - before) * 1000)
        waiting.stop()
        print(
            f"{name:36}{median(times):9.1f}{max(times):9.1f}{waiting.late * 1000:13.1f}",
            flush=True,
        )
    interpreter.stopService()
    reader.close()


def main() -> None:
    """Fill a ledger, and ask."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=5_000_000)
    parser.add_argument("--keep", type=Path, help="a directory for the ledger, used again")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        database = SqliteDatabase((options.keep or Path(temporary)) / "ledger.db")
        if not database.path.exists():
            fill(database, options.rows)
        measure(database, options.rows)


if __name__ == "__main__":
    main()
