"""The ledger on a PostgreSQL server: shared by gateways, and away at times."""

from __future__ import annotations

import random
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from antigravity.interfaces.ledger import RequestQuestion
from antigravity.interfaces.payloads import RawBody, RawMessage, RawPayloads, ReplayRoute
from antigravity.ledger.bounds import Bounds
from antigravity.ledger.errors import LedgerError, NewerVersionError
from antigravity.ledger.payload_text import PayloadRedactor
from antigravity.ledger.postgres import PostgresDatabase
from antigravity.ledger.queries import Span
from antigravity.ledger.reader import Reader
from antigravity.ledger.retention import Retention
from antigravity.ledger.rows import RowNumbers
from antigravity.ledger.spool import Spool
from antigravity.ledger.worker import Worker
from antigravity.ledger.writer import Writer
from antigravity.redaction.credentials import Credentials
from antigravity.stores.postgres_migration import MIGRATION_LOCK
from antigravity.stores.postgres_server import Server
from tests.support.conditions import wait_until
from tests.support.postgres import PostgresServer
from tests.support.records import HOUR, START, Time, make_record, price

NOW = Span(HOUR, HOUR + 1)


@pytest.fixture
def database(postgres: PostgresServer) -> PostgresDatabase:
    return PostgresDatabase(Server(postgres.url()))


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path / "ledger.spool", 2**20)


@pytest.fixture
def worker(database: PostgresDatabase, clock: Time, spool: Spool) -> Iterator[Worker]:
    worker = Worker(database, clock, price, spool=spool)
    yield worker
    worker.close()


def ids(reader: Reader) -> list[str]:
    rows, _ = reader.requests(RequestQuestion(limit=499))
    return sorted(row["id"].removeprefix("req_") for row in rows)


def count(reader: Reader) -> int:
    return int(reader.add_up(NOW)[0]["requests"] or 0)


@contextmanager
def lost_commits(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let transactions succeed, and the client never learn of it."""
    import psycopg

    execute = psycopg.Connection.execute

    def interrupted(self: Any, sql: str, *arguments: Any, **options: Any) -> Any:
        found = execute(self, sql, *arguments, **options)
        if sql == "COMMIT":
            raise psycopg.OperationalError("the connection is lost")
        return found

    with monkeypatch.context() as patch:
        patch.setattr(psycopg.Connection, "execute", interrupted)
        yield


def test_address_hides_password() -> None:
    server = Server(
        "postgresql://me:p%40ss@db.example:5433/ledger?sslpassword=hush&sslmode=require"
    )
    assert server.name == "postgresql://db.example:5433/ledger"
    assert repr(server) == "Server('postgresql://db.example:5433/ledger')"
    text = server.without_secrets(f"p@ss, p%40ss and hush are wrong in {server.url}")
    assert text == "…, … and … are wrong in …"


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("postgresql://me:se#cret@db/ledger", "postgresql://db/ledger"),
        ("postgresql://me:se?cret@db/ledger", "postgresql://db/ledger"),
        ("postgresql:///ledger?host=/run/a&password=se+cret", "postgresql:///run/a/ledger"),
    ],
)
def test_address_hides_password_with_odd_characters(url: str, name: str) -> None:
    """libpq does not end the password at a "?" or "#", and leaves a "+" as it is."""
    server = Server(url)
    assert server.name == name
    secret = url.partition("se")[2].partition("@")[0]
    assert server.without_secrets(f"wrong: se{secret}") == "wrong: …"


def test_errors_hide_password(postgres: PostgresServer) -> None:
    server = Server(f"{postgres.url('nowhere')}&password=very-secret")
    with pytest.raises(LedgerError, match='"nowhere" does not exist') as caught:
        PostgresDatabase(server).prepare()
    assert "very-secret" not in str(caught.value)
    with pytest.raises(LedgerError) as caught:
        PostgresDatabase(Server("postgresql://h/d?very-secret=very-secret")).prepare()
    assert "postgresql://h/d" in str(caught.value)


def test_reconnects_after_restart(
    postgres: PostgresServer, database: PostgresDatabase, writer: Writer, reader: Reader
) -> None:
    writer.write([make_record(1)], {})
    assert count(reader) == 1
    postgres.stop()
    postgres.start()
    writer.write([make_record(2)], {})
    assert count(reader) == 2


def test_newer_tables_are_not_touched(postgres: PostgresServer, writer: Writer) -> None:
    writer.open()
    writer.close()
    postgres.execute("UPDATE antigravity.ledger_version SET version = 99")
    with pytest.raises(NewerVersionError, match="newer version"):
        writer.write([make_record()], {})
    assert postgres.execute("SELECT version FROM antigravity.ledger_version") == [(99,)]
    assert postgres.execute("SELECT count(*) FROM antigravity.requests") == [(0,)]


def test_interrupted_migration_changes_nothing(
    postgres: PostgresServer, database: PostgresDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripts = [(1, "CREATE TABLE first (id BIGINT)"), (2, "CREATE TABEL second (id BIGINT)")]
    monkeypatch.setattr(database, "migrations", lambda version: iter(scripts))
    with pytest.raises(LedgerError, match="syntax"):
        database.prepare()
    found = "SELECT nspname FROM pg_namespace WHERE nspname = 'antigravity'"
    assert postgres.execute(found) == []


def test_wait_for_migration_of_another_gateway_can_be_ended(
    postgres: PostgresServer, database: PostgresDatabase
) -> None:
    """It may hang, and rows go into the spool meanwhile."""
    import psycopg

    waiting = "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
    with psycopg.connect(postgres.url()) as other, ThreadPoolExecutor(1) as pool:
        other.execute(f"SELECT pg_advisory_xact_lock({MIGRATION_LOCK})")
        prepared = pool.submit(database.prepare)
        wait_until(lambda: bool(postgres.execute(waiting)))
        database.abort()
        with pytest.raises(LedgerError, match="cannot be used now"):
            prepared.result(20)
    database.prepare().close()


def test_silent_server_is_noticed_while_an_answer_is_awaited(database: PostgresDatabase) -> None:
    """Within a minute, also while nothing is sent; the system's own limit is two hours."""
    with database.prepare() as connection:
        found = connection.info.get_parameters()
    names = ("keepalives_idle", "keepalives_interval", "keepalives_count")
    assert [int(found[name]) for name in names] == [30, 10, 3]


def test_names_too_long_for_an_index_do_not_hold_up_others(
    worker: Worker, reader: Reader, spool: Spool
) -> None:
    long = "".join(map(chr, random.Random(0).sample(range(0x20000, 0x2A000), 1000)))
    records = [make_record(1), make_record(2, principal=long), make_record(3)]
    rows, _, problem = worker.run(lambda worker: worker.write(records, {}))
    assert ([row.id for row in rows], problem) == (["req_1", "req_3"], "")
    spool.append(worker._writer.make([make_record(4, principal=long), make_record(5)], {}))
    assert worker.run(lambda worker: worker.replay())[::2] == (False, "")
    assert ids(reader) == ["1", "3", "5"]


def test_gateways_start_at_the_same_time(database: PostgresDatabase) -> None:
    with ThreadPoolExecutor(8) as pool:
        for connection in pool.map(lambda _: database.prepare(), range(8)):
            connection.close()


def test_gateways_write_at_the_same_time(postgres: PostgresServer, reader: Reader) -> None:
    """With the same numbers of rows, the same names and the same sums."""

    def write(gateway: int) -> None:
        database = PostgresDatabase(Server(postgres.url()))
        worker = Worker(database, lambda: START, price, numbers=RowNumbers(7))
        records = [
            make_record(1000 * gateway + n, client=f"c{(n * (gateway + 1)) % 10}/1")
            for n in range(100)
        ]
        for start in range(0, 100, 10):
            assert len(worker.write(records[start : start + 10], {(HOUR, "host"): 1})) == 10
        worker.close()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(4)))
    assert count(reader) == 400
    assert len(ids(reader)) == 400
    assert reader.refusals(HOUR, HOUR + 1) == {"host": 40}
    (attempts,) = postgres.execute("SELECT count(DISTINCT request) FROM antigravity.attempts")
    assert attempts == (400,)


def test_rows_wait_while_server_is_away(
    postgres: PostgresServer, worker: Worker, reader: Reader, clock: Time, spool: Spool
) -> None:
    worker.run(lambda worker: worker.write([make_record(1)], {}))
    postgres.stop()
    for number in range(2, 5):
        rows, _, problem = worker.run(
            lambda worker, n=number: worker.write([make_record(n)], {(HOUR, "host"): 1})
        )
        assert [row.id for row in rows] == [f"req_{number}"]
        assert "cannot be used now" in problem
        clock.now += 20
    assert worker.spooled == 3
    assert worker.run(lambda worker: worker.replay())[0] is None
    postgres.start()
    clock.now += 31
    result, _, problem = worker.run(lambda worker: worker.replay())
    assert (result, problem, worker.spooled) == (False, "", 0)
    assert ids(reader) == ["1", "2", "3", "4"]
    assert reader.refusals(HOUR, HOUR + 1) == {"host": 3}
    newest = reader.requests(RequestQuestion(limit=1))[0][0]
    assert newest["number"] >> 10 == int((START + 40) * 1_000_000)


def test_server_is_left_alone_for_a_while(
    postgres: PostgresServer, worker: Worker, clock: Time, monkeypatch: pytest.MonkeyPatch
) -> None:
    attempts: list[float] = []
    prepare = PostgresDatabase.prepare

    def counted(database: PostgresDatabase) -> Any:
        attempts.append(clock.now - START)
        return prepare(database)

    monkeypatch.setattr(PostgresDatabase, "prepare", counted)
    postgres.stop()
    try:
        for _ in range(300):
            worker.run(lambda worker: worker.write([make_record()], {}))
            clock.now += 0.5
    finally:
        postgres.start()
    assert attempts == [0, 1, 3, 7, 15, 31, 61, 91, 121]


def test_interrupted_replay_writes_nothing_twice(
    worker: Worker, writer: Writer, reader: Reader, spool: Spool
) -> None:
    """As if the gateway was killed between the transaction and the note in the file."""
    first = writer.make([make_record(1), make_record(2)], {(HOUR, "host"): 5})
    second = writer.make([make_record(3)], {(HOUR, "host"): 1})
    spool.append(first)
    spool.append(second)
    writer.store_again([first])
    worker.run(lambda worker: worker.replay())
    assert ids(reader) == ["1", "2", "3"]
    assert count(reader) == 3
    assert reader.refusals(HOUR, HOUR + 1) == {"host": 6}


def test_commit_whose_end_is_unknown_is_not_repeated(
    worker: Worker,
    reader: Reader,
    clock: Time,
    database: PostgresDatabase,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    worker.open()
    with lost_commits(monkeypatch):
        worker.run(lambda worker: worker.write([make_record(1)], {(HOUR, "host"): 1}))
    assert worker.spooled == 1
    clock.now += 5
    worker.run(lambda worker: worker.replay())
    assert (worker.spooled, ids(reader), count(reader)) == (0, ["1"], 1)
    assert reader.refusals(HOUR, HOUR + 1) == {"host": 1}


def test_commit_whose_end_is_unknown_is_not_repeated_without_spool(
    database: PostgresDatabase,
    reader: Reader,
    clock: Time,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The service gives the records again, with others."""
    worker = Worker(database, clock, price, spool=Spool(tmp_path / "ledger.spool", 100))
    worker.open()
    records = [make_record(1), make_record(1, started=START + 1), make_record(2)]
    with lost_commits(monkeypatch):
        written, _, problem = worker.run(lambda worker: worker.write(records[:2], {}))
    assert (written, "largest size" in problem) == (None, True)
    clock.now += 5
    rows, _, problem = worker.run(lambda worker: worker.write(records, {}))
    assert ([row.id for row in rows], problem) == (["req_1", "req_1", "req_2"], "")
    assert (ids(reader), count(reader)) == (["1", "1", "2"], 3)
    worker.close()


def test_payloads_whose_commit_is_unknown_are_not_doubled(
    worker: Worker, reader: Reader, clock: Time, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker.open()
    redactor = PayloadRedactor(Credentials().snapshot(), {})
    message = RawMessage("from_client", (), RawBody((b"{}",), (), 2, reserved=2), "POST", "/v1/x")
    route = ReplayRoute("anthropic", "POST", "/v1/x")
    payloads = [RawPayloads(f"req_{number}", route, [message]) for number in range(3)]
    with lost_commits(monkeypatch):
        worker.run(lambda worker: worker.write_payloads(payloads[:2], redactor))
    clock.now += 5
    stored, _, problem = worker.run(lambda worker: worker.write_payloads(payloads, redactor))
    assert (stored > 0, problem) == (True, "")
    assert [len(reader.payloads(f"req_{number}")) for number in range(3)] == [1, 1, 1]


def test_full_spool_gives_records_back(
    postgres: PostgresServer, database: PostgresDatabase, clock: Time, tmp_path: Path
) -> None:
    worker = Worker(database, clock, price, spool=Spool(tmp_path / "ledger.spool", 2000))
    postgres.stop()
    try:
        written = [
            worker.run(lambda worker: worker.write([make_record()], {}))[0] for _ in range(5)
        ]
    finally:
        postgres.start()
    kept = [rows is not None for rows in written]
    assert kept == sorted(kept, reverse=True)
    assert 0 < sum(kept) < 5
    assert worker.spooled == sum(kept)
    worker.close()


def test_rows_that_cannot_be_stored_are_left_out(
    postgres: PostgresServer, worker: Worker, reader: Reader, clock: Time
) -> None:
    records = [make_record(1), *(make_record(2, status=n) for n in (2**80, 2**63)), make_record(3)]
    postgres.stop()
    try:
        written, _, _ = worker.run(lambda worker: worker.write(records, {(HOUR, "host"): 1}))
    finally:
        postgres.start()
    assert len(written) == 3
    clock.now += 5
    result, _, problem = worker.run(lambda worker: worker.replay())
    assert (result, problem, worker.spooled) == (False, "", 0)
    assert ids(reader) == ["1", "3"]
    assert reader.refusals(HOUR, HOUR + 1) == {"host": 1}


def test_text_with_odd_characters_is_stored(writer: Writer, reader: Reader) -> None:
    record = make_record(1, model="a\0b\ud800", session="\0", error="ServerError: \0\udfff")
    writer.write([record], {})
    row = reader.request("req_1")
    assert row is not None
    assert row["model"] == "a\N{REPLACEMENT CHARACTER}b?"


def test_long_query_ends_with_error(
    writer: Writer, reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer.open()
    monkeypatch.setattr("antigravity.ledger.postgres._READ_LIMIT", 20)
    with pytest.raises(LedgerError, match="timeout"), reader._connection() as connection:
        connection.execute("SELECT pg_sleep(10)")


def test_server_that_does_not_answer_is_given_up(
    database: PostgresDatabase, writer: Writer, reader: Reader
) -> None:
    writer.write([make_record(1)], {})

    def ask() -> None:
        with reader._connection() as connection:
            waiting.set()
            connection.execute("SELECT pg_sleep(15)")

    waiting = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(ask)
        assert waiting.wait(10)
        while not asked.done():  # the statement may not have been sent yet
            database.abort()
            wait([asked], 0.05)
        with pytest.raises(LedgerError, match="cannot be used now"):
            asked.result()
    writer.write([make_record(2)], {})
    assert count(reader) == 2


def test_rows_are_deleted_when_they_need_too_much_space(
    postgres: PostgresServer,
    database: PostgresDatabase,
    writer: Writer,
    reader: Reader,
    clock: Time,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for start in range(0, 6000, 500):
        writer.write([make_record(number) for number in range(start, start + 500)], {})

    def count_rows() -> None:
        """Let the server count when no session has numbers that it has not told yet."""
        writer.close()
        sessions = "SELECT 1 FROM pg_stat_activity WHERE application_name = 'antigravity'"
        wait_until(lambda: not postgres.execute(sessions))
        postgres.execute("ANALYZE antigravity.requests, antigravity.attempts")

    count_rows()
    with writer.transaction() as connection:
        used = database.used_bytes(connection)
    size = database.size()
    assert 0.5 * size < used < 1.5 * size
    retention, bounds = Retention(database, writer), Bounds(0, used // 2)

    for _ in range(20):
        if not retention.step(bounds, clock.now + 60):
            break
    # What the server's statistics do not tell yet is not deleted twice.
    ((left,),) = postgres.execute("SELECT count(*) FROM antigravity.requests")
    assert 2000 <= left <= 5000
    monkeypatch.setattr("antigravity.ledger.postgres._STATISTICS_DELAY", 0)
    for _ in range(5):
        count_rows()
        retention.step(bounds, clock.now + 60)
    ((left,),) = postgres.execute("SELECT count(*) FROM antigravity.requests")
    assert 2000 <= left <= 3500
    assert reader.requests(RequestQuestion(limit=1))[0][0]["id"] == "req_5999"
    assert count(reader) == 6000


KILLED = """
import sys
sys.path.insert(0, {root!r})
from antigravity.ledger.postgres import PostgresDatabase
from antigravity.stores.postgres_server import Server
from antigravity.ledger.writer import Writer
from tests.support.records import START, make_record, price
writer = Writer(PostgresDatabase(Server({url!r})), lambda: START, price)
number = 0
while True:
    writer.write([make_record(number + each) for each in range(100)], {{}})
    number += 100
    print(number, flush=True)
"""


def test_no_committed_row_is_lost_when_process_is_killed(
    postgres: PostgresServer, reader: Reader
) -> None:
    code = KILLED.format(root=str(Path(__file__).parents[2]), url=postgres.url())
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        lines = [child.stdout.readline() for _ in range(5)]
        child.kill()
        lines += child.stdout.readlines()
    committed = int([line for line in lines if line.endswith(b"\n")][-1])
    ((rows,),) = postgres.execute("SELECT count(*) FROM antigravity.requests")
    assert rows >= committed
    assert rows % 100 == 0
    assert count(reader) == rows


def test_missing_client_names_remedy(monkeypatch: pytest.MonkeyPatch, spool: Spool) -> None:
    """Rows wait until it is installed."""
    monkeypatch.setitem(sys.modules, "psycopg", None)
    database = PostgresDatabase(Server("postgresql://db.example/ledger"))
    worker = Worker(database, lambda: START, price, spool=spool)
    rows, _, problem = worker.run(lambda worker: worker.write([make_record(1)], {}))
    assert [row.id for row in rows] == ["req_1"]
    assert "pip install 'antigravity-gateway[postgres]'" in problem
    assert worker.spooled == 1
    worker.close()
