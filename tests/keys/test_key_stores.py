"""The built-in key stores conform: files of the home, and a real PostgreSQL server."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from twisted.internet import reactor
from twisted.internet.defer import Deferred, DeferredList, gatherResults
from twisted.internet.task import deferLater
from twisted.trial.unittest import TestCase

from antigravity.builtin.keys import FileKind, PostgresKind
from antigravity.interfaces.spending import RESERVATION_TTL
from antigravity.interfaces.state import StateError
from antigravity.keys import postgres_tables, postgres_watcher
from antigravity.stores import postgres_pool
from antigravity.stores.postgres_migration import MIGRATION_LOCK
from antigravity.stores.postgres_pool import CONNECTIONS
from antigravity.testing.key_store_conformance import KeyStoreConformance, add
from antigravity.testing.spending_conformance import SpendingConformance
from tests.support.doc_examples import example_of
from tests.support.postgres import PostgresServer


class FileStoreTests(KeyStoreConformance, TestCase):
    reactor = reactor
    watches = False  # the gateway watches the file

    async def open_store(self) -> Any:
        if not hasattr(self, "home"):
            self.home = Path(self.mktemp())
            self.home.mkdir()
        store = FileKind().build(reactor, self.home, "file:")
        self.addCleanup(store.stop)
        await store.start()
        return store


class ExampleStoreTests(KeyStoreConformance, TestCase):
    """The store that the page for authors of plugins shows."""

    reactor = reactor
    watches = False  # nobody else changes it

    async def open_store(self) -> Any:
        if not hasattr(self, "store"):
            kind = example_of("register_stores", 2).VaultKind()
            self.store = kind.build(reactor, None, "vault:a")
        return self.store


class PostgresCase(TestCase):
    reactor = reactor
    postgres: PostgresServer

    @pytest.fixture(autouse=True)
    def use_server(self, postgres: PostgresServer, tmp_path: Path) -> None:
        self.postgres = postgres
        self.home = tmp_path
        self.count = 0

    async def open_store(self) -> Any:
        """Return the store of another gateway."""
        self.count += 1
        home = self.home / f"{self.count}"
        home.mkdir()
        store = PostgresKind().build(reactor, home, self.postgres.url(password="veiled"))
        self.addCleanup(store.stop)
        await store.start()
        return store


class PatientCase(PostgresCase):
    """A case whose many requests may take as long as a busy machine needs."""

    @pytest.fixture(autouse=True)
    def be_patient(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(postgres_pool, "PATIENCE", 60.0)


class PostgresStoreTests(PatientCase, KeyStoreConformance):
    pass


class PostgresSpendingTests(PatientCase, SpendingConformance):
    async def open_spending(self) -> Any:
        return (await self.open_store()).spending

    async def pass_ttl(self) -> None:
        self.postgres.execute(
            "UPDATE antigravity.reservations SET expires = expires - "
            f"interval '{RESERVATION_TTL} seconds'"
        )


class ConnectionTests(PostgresCase):
    async def test_connections_are_few_and_end_when_nobody_uses_them(self) -> None:
        store = await self.open_store()
        with patch.object(postgres_pool, "_IDLE", 0.3):
            await store.load()
            await gatherResults([store.spending.look([("key_a/day", "d")]) for _ in range(50)])
            self.assertLessEqual(self.connections(), CONNECTIONS + 1)
            await self.wait_for_connections(1)  # that of the watcher
        self.assertEqual(len(await store.spending.look([("key_a/day", "d")])), 1)
        await store.stop()
        await self.wait_for_connections(0)

    async def wait_for_connections(self, most: int) -> None:
        """Wait until the server has ended all but ``most``, which it does after the client."""
        for _ in range(500):
            if self.connections() <= most:
                return
            await deferLater(reactor, 0.01)
        self.fail("the connections are still open")

    def connections(self) -> int:
        sql = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'antigravity'"
        return int(self.postgres.execute(sql)[0][0])

    async def test_calls_beyond_the_most_that_wait_fail_at_once(self) -> None:
        store = await self.open_store()
        with patch.object(postgres_pool, "MOST_WAITING", 3):
            found = await DeferredList(
                [store.spending.look([("key_a/day", "d")]) for _ in range(20)], consumeErrors=True
            )
        self.assertIn(True, [done for done, _ in found])
        self.assertIn("too many", str(found[-1][1].value))

    async def test_server_that_hangs_is_not_waited_for(self) -> None:
        store = await self.open_store()
        await store.load()
        with patch.object(postgres_pool, "PATIENCE", 0.3), self.assertRaises(StateError):
            await store._pool.query("SELECT pg_sleep(3)", [])
        self.assertEqual(len((await store.load()).keys), 0)


class WaitTests(PostgresCase):
    """Gateways wait for a while only."""

    async def lost_reason(self, store: Any) -> str:
        """Return why the watcher has lost the server."""
        lost: Deferred[str] = Deferred()
        store.watch(lambda: None, lambda reason: None if lost.called else lost.callback(reason))
        await store.start()
        return await lost.addTimeout(10, reactor)

    def store(self) -> Any:
        store = PostgresKind().build(reactor, self.home, self.postgres.url(password="veiled"))
        self.addCleanup(store.stop)
        return store

    async def test_gateway_that_makes_tables_is_waited_for_no_longer_than_the_limit(self) -> None:
        import psycopg

        waiting = "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
        with (
            patch.object(postgres_tables, "LOCK_WAIT", 200),
            psycopg.connect(self.postgres.url()) as other,
        ):
            other.execute(f"SELECT pg_advisory_xact_lock({MIGRATION_LOCK})")
            store = self.store()
            with self.assertRaisesRegex(StateError, "timeout"):
                await store.load()
            self.assertEqual(self.postgres.execute(waiting), [])  # the server does not wait either
            self.assertIn("timeout", await self.lost_reason(store))
        self.assertEqual(len((await store.load()).keys), 0)

    async def test_server_that_stops_to_answer_is_lost_for_the_watcher(self) -> None:
        with patch.object(postgres_watcher, "_PATIENCE", 0.3):
            store = self.store()
            changed: Deferred[None] = Deferred()
            store.watch(
                lambda: None if changed.called else changed.callback(None), lambda reason: None
            )
            await store.start()
            await changed.addTimeout(10, reactor)
            lost: Deferred[str] = Deferred()
            store.watch(lambda: None, lambda reason: None if lost.called else lost.callback(reason))
            sql = "SELECT pid FROM pg_stat_activity WHERE application_name = 'antigravity'"
            for (pid,) in self.postgres.execute(sql):
                os.kill(pid, signal.SIGSTOP)
                self.addCleanup(os.kill, pid, signal.SIGCONT)
            self.assertIn("does not answer", await lost.addTimeout(10, reactor))


class OutageTests(PostgresCase):
    async def test_calls_fail_soon_and_without_secrets_while_the_server_is_away(self) -> None:
        store = await self.open_store()
        await store.load()
        self.postgres.stop()
        began = time.monotonic()
        for call in (
            store.load,
            lambda: store.change(add("key_a")),
            lambda: store.spending.look([("key_a/day", "d")]),
        ):
            with self.assertRaises(StateError) as raised:
                await call()
            self.assertNotIn("veiled", str(raised.exception))
        self.assertLess(time.monotonic() - began, 5)
        self.postgres.start()
        for _ in range(50):
            found = await DeferredList([store.load()], consumeErrors=True)
            if found[0][0]:
                return
            await deferLater(reactor, 0.1)
        self.fail("the store did not come back")
