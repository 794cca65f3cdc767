"""Tests that every key store must pass; see ``interfaces/key_store.py``.

Mix :class:`KeyStoreConformance` into a test case of ``twisted.trial``::

    class MyKeyStoreTests(KeyStoreConformance, TestCase):
        reactor = reactor

        async def open_store(self):
            store = MyKeyStore(...)
            self.addCleanup(store.stop)
            await store.start()
            return store

The spending of the store has tests of its own, in ``spending_conformance``.
"""

# The names of the tests say what they test, and those of the test case are not ours.
# ruff: noqa: D102, N815

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec.structs import replace
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.task import deferLater
from zope.interface.verify import verifyObject

from antigravity.interfaces.key_store import Edit, IKeyStore, KeySet
from antigravity.interfaces.spending import ISpending, SpendClaim

#: No limit, as far as these tests go.
_ANY = 10**15


def add(identifier: str, **members: Any) -> Edit:
    """Return a change that adds a key."""
    return lambda found: KeySet(
        found.salt or "00" * 32, (*found.keys, {"id": identifier, **members})
    )


def remove(identifier: str) -> Edit:
    """Return a change that removes a key."""
    return lambda found: replace(
        found, keys=tuple(each for each in found.keys if each["id"] != identifier)
    )


class KeyStoreConformance:
    """The tests; a store says how to open it.

    :cvar reactor: the reactor that runs the tests.
    :cvar watches: whether the store itself notices changes of others.
    """

    reactor: Any
    watches: bool = True

    # What a test case has.
    assertEqual: Any
    assertTrue: Any

    async def open_store(self) -> Any:
        """Return a started store; each call is another process with the same, empty store."""
        raise NotImplementedError

    async def ids(self, store: Any) -> list[str]:
        """Return the ids of the keys of a store."""
        found: KeySet = await store.load()
        return [each["id"] for each in found.keys]

    async def until(self, condition: Callable[[], bool], seconds: float = 5.0) -> None:
        """Wait until a condition holds."""
        for _ in range(int(seconds * 100)):
            if condition():
                return
            await deferLater(self.reactor, 0.01)
        raise AssertionError("the condition did not hold in time")

    async def test_store_provides_interface(self) -> None:
        store = await self.open_store()
        verifyObject(IKeyStore, store)
        verifyObject(ISpending, store.spending)
        self.assertTrue(isinstance(store.name, str) and store.name)

    async def test_store_is_empty_at_first(self) -> None:
        self.assertEqual(await (await self.open_store()).load(), KeySet())

    async def test_change_is_seen_by_all(self) -> None:
        store, other = await self.open_store(), await self.open_store()
        record = {"label": "é 漢字 \0 \" % ' \\", "budgets": ["5/day"], "created": 1796040000.125}
        changed = await store.change(add("key_a", **record))
        self.assertEqual(changed, KeySet("00" * 32, ({"id": "key_a", **record},)))
        self.assertEqual(await other.load(), changed)
        await other.change(lambda found: replace(found, keys=({"id": "key_a", "label": "b"},)))
        self.assertEqual((await store.load()).keys, ({"id": "key_a", "label": "b"},))

    async def test_keys_stay_in_their_order(self) -> None:
        store = await self.open_store()
        for name in ("key_c", "key_a", "key_b"):
            await store.change(add(name))
        await store.change(
            lambda found: replace(found, keys=tuple({**each, "n": 1} for each in found.keys))
        )
        self.assertEqual(await self.ids(store), ["key_c", "key_a", "key_b"])
        await store.change(remove("key_a"))
        await store.change(add("key_a"))
        self.assertEqual(await self.ids(store), ["key_c", "key_b", "key_a"])

    async def test_no_change_is_lost(self) -> None:
        stores = [await self.open_store() for _ in range(2)]
        names = [f"key_{n:02}" for n in range(20)]
        await gatherResults(
            [stores[n % 2].change(add(name)) for n, name in enumerate(names)], consumeErrors=True
        )
        self.assertEqual(sorted(await self.ids(stores[0])), names)

    async def test_change_that_fails_changes_nothing(self) -> None:
        store = await self.open_store()
        await store.change(add("key_a"))

        def fail(found: KeySet) -> KeySet:
            raise LookupError(f"no such key among {len(found.keys)}")

        try:
            await store.change(fail)
        except LookupError as error:
            self.assertEqual(str(error), "no such key among 1")
        else:
            raise AssertionError("the error was lost")
        self.assertEqual(await self.ids(store), ["key_a"])
        await store.change(add("key_b"))
        self.assertEqual(await self.ids(store), ["key_a", "key_b"])

    async def test_changes_of_others_are_noticed_within_a_second(self) -> None:
        if not self.watches:
            return
        store, other = await self.open_store(), await self.open_store()
        noticed: list[list[str]] = []

        def changed() -> None:
            Deferred.fromCoroutine(self.ids(other)).addCallback(noticed.append)

        other.watch(changed, lambda reason: None)
        await store.change(add("key_a"))
        await self.until(lambda: ["key_a"] in noticed, 1.0)
        await store.change(remove("key_a"))
        await self.until(lambda: noticed[-1] == [], 1.0)

    async def test_removed_key_takes_its_spending_with_it(self) -> None:
        store = await self.open_store()
        for name in ("key_a", "key_ab"):
            await store.change(add(name))
            claims = [SpendClaim(f"{name}/total", "total", 9, _ANY)]
            await store.spending.reserve(f"of {name}", claims)
            await store.spending.settle(f"of {name}", 5)
            await store.spending.reserve(f"running of {name}", claims)
        await store.change(remove("key_a"))
        await store.spending.settle("running of key_a", 7)
        await store.spending.settle("running of key_ab", 7)
        accounts = [("key_a/total", "total"), ("key_ab/total", "total")]
        found = await store.spending.look(accounts)
        self.assertEqual([each.spent for each in found], [0, 12])
