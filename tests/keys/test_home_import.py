"""Keys of a home are moved into a store that has none, and stay where it has others."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from unittest.mock import patch

import msgspec
import pytest
from twisted.internet import reactor
from twisted.trial.unittest import TestCase

from antigravity.builtin.keys import PostgresKind
from antigravity.interfaces.keys import NewKey
from antigravity.interfaces.spending import Spending
from antigravity.interfaces.state import StateError
from antigravity.keys.editor import KeyEditor
from antigravity.keys.file_store import SPENDING_FILE
from antigravity.keys.home_import import SUFFIX, import_home
from antigravity.keys.key_file import FILE_NAME
from antigravity.keys.secret import digest_of
from antigravity.keys.stored_keys import parse_keys
from antigravity.testing.key_store_conformance import add
from tests.keys.builders import FileEditor
from tests.support.doc_examples import example_of
from tests.support.postgres import PostgresServer


class HomeImportTests(TestCase):
    def setUp(self) -> None:
        self.home = Path(self.mktemp())
        self.home.mkdir()
        editor = FileEditor(self.home, lambda: 1_796_040_000.0)
        self.made = editor.add(msgspec.convert({"label": "a"}, NewKey))
        self.store: Any = example_of("register_stores", 2).VaultKind().build(reactor, None, "v:a")

    async def ids(self) -> list[str]:
        return [each["id"] for each in (await self.store.load()).keys]

    async def test_first_gateway_moves_its_keys(self) -> None:
        done = await import_home(reactor, self.store, self.home, only_first=True)
        assert done is not None
        self.assertEqual((done.added, done.known, len(await self.ids())), (1, 0, 1))
        self.assertFalse((self.home / FILE_NAME).exists())
        self.assertTrue((self.home / (FILE_NAME + SUFFIX)).exists())

    async def test_secrets_stay_valid_in_a_store_with_another_salt(self) -> None:
        other = KeyEditor(self.store, lambda: 1_796_040_000.0)
        await other.add(msgspec.convert({"label": "b"}, NewKey))
        done = await import_home(reactor, self.store, self.home)
        assert done is not None
        stored = parse_keys(await self.store.load())
        found = next(each for each in stored.records if each.id == self.made.id)
        salt = found.salt or stored.salt
        self.assertEqual(found.digest, digest_of(self.made.key, salt))
        self.assertNotEqual(found.digest, digest_of(self.made.key, stored.salt))

    async def test_keys_stay_in_the_home_if_the_store_has_others(self) -> None:
        await self.store.change(add("key_b"))
        self.assertIsNone(await import_home(reactor, self.store, self.home, only_first=True))
        self.assertEqual(await self.ids(), ["key_b"])
        self.assertTrue((self.home / FILE_NAME).exists())

    async def spent(self) -> list[Spending]:
        accounts = [(f"{self.made.id}/day", "2026-12-01"), (f"{self.made.id}/total", "total")]
        return list(await self.store.spending.look(accounts))

    def write_spending(self) -> None:
        accounts = {
            f"{self.made.id}/day": {"period": "2026-12-01", "spent": 70},
            f"{self.made.id}/total": {"period": "total", "spent": 900},
        }
        (self.home / "state").mkdir(exist_ok=True)
        (self.home / "state" / SPENDING_FILE).write_bytes(
            msgspec.json.encode({"accounts": accounts})
        )

    async def test_interrupted_import_counts_nothing_twice(self) -> None:
        """As if the process was killed before each step, and after all of them."""
        self.write_spending()
        spending = self.store.spending
        for method in ("settle", "reserve", "settle"):
            original = getattr(spending, method)
            calls = 0

            def interrupted(*arguments: Any, original: Any = original) -> Any:
                nonlocal calls
                calls += 1
                if calls == 2:
                    raise StateError("killed")
                return original(*arguments)

            with patch.object(spending, method, interrupted), self.assertRaises(StateError):
                await import_home(reactor, self.store, self.home)
        await import_home(reactor, self.store, self.home)
        self.assertEqual(await self.spent(), [Spending(70), Spending(900)])
        self.write_spending()  # as if it had not been renamed
        (self.home / (FILE_NAME + SUFFIX)).rename(self.home / FILE_NAME)
        await import_home(reactor, self.store, self.home)
        self.assertEqual(await self.spent(), [Spending(70), Spending(900)])
        self.assertFalse((self.home / "state" / SPENDING_FILE).exists())


class PostgresImportTests(HomeImportTests):
    """The same, into a PostgreSQL database."""

    @pytest.fixture(autouse=True)
    def use_server(self, postgres: PostgresServer) -> None:
        self.postgres = postgres

    async def setUp(self) -> None:  # type: ignore[override]
        super().setUp()
        url = self.postgres.url(password="veiled")
        self.store = PostgresKind().build(reactor, Path(self.mktemp()), url)
        self.addCleanup(self.store.stop)
        await self.store.start()
