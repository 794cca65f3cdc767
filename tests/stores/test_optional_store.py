"""Entries are kept elsewhere while that is enabled, and no trace of them while it is not."""

from __future__ import annotations

from collections.abc import Iterable

from twisted.internet.defer import Deferred, succeed
from zope.interface import implementer
from zope.interface.verify import verifyObject

from antigravity.interfaces.stores import Entry, IExpiringStore
from antigravity.stores.bounded_cache import BoundedCache
from antigravity.stores.optional_store import OptionalStore
from antigravity.stores.persistent_cache import PersistentCache


@implementer(IExpiringStore)
class Elsewhere:
    """What is kept in a dictionary that outlives it."""

    def __init__(self, kept: dict[str, Entry]) -> None:
        self.kept = kept
        self.open = True

    def load(self) -> Deferred[list[Entry]]:
        return succeed(list(self.kept.values()))

    def put(self, entry: Entry) -> None:
        assert self.open
        self.kept[entry.key] = entry

    def delete(self, key: str) -> None:
        assert self.open
        self.kept.pop(key, None)

    def stop(self) -> Deferred[None]:
        self.open = False
        return succeed(None)


class StoreFixture:
    def __init__(self, *, enabled: bool, known: Iterable[Entry] = ()) -> None:
        self.kept: dict[str, Entry] = {}
        self.made: list[Elsewhere] = []
        self.known = list(known)
        self.store = OptionalStore(self.make, self.erase, lambda: self.known, enabled=enabled)

    def make(self) -> Elsewhere:
        self.made.append(Elsewhere(self.kept))
        return self.made[-1]

    def erase(self) -> Deferred[None]:
        assert not any(each.open for each in self.made), "first it has to be closed"
        self.kept.clear()
        return succeed(None)

    def loaded(self) -> list[Entry]:
        found: list[Entry] = []
        self.store.load().addCallback(found.extend)
        return found


ONE, TWO = Entry("one", 9.0, b"1"), Entry("two", 9.0, b"2")


def test_enabled_store_stores_entries() -> None:
    kit = StoreFixture(enabled=True)
    verifyObject(IExpiringStore, kit.store)
    kit.store.put(ONE)
    kit.store.put(TWO)
    kit.store.delete("one")
    assert kit.loaded() == [TWO]
    assert kit.store.stop().called
    assert not kit.made[0].open


def test_disabled_store_erases_earlier_data() -> None:
    kit = StoreFixture(enabled=False)
    kit.kept["old"] = ONE
    assert kit.loaded() == []
    assert kit.kept == {}
    kit.store.put(ONE)
    kit.store.delete("one")
    assert kit.store.stop().called
    assert kit.made == []


def test_store_can_be_enabled_and_disabled_at_any_time() -> None:
    kit = StoreFixture(enabled=True)
    kit.store.put(ONE)
    for _ in range(2):
        assert kit.store.set_enabled(False).called
        assert kit.kept == {}
    kit.known = [TWO]
    for _ in range(2):
        assert kit.store.set_enabled(True).called
        assert list(kit.kept) == ["two"]
    assert len(kit.made) == 2
    kit.store.put(ONE)
    assert kit.loaded() == [TWO, ONE]


def test_entries_added_while_enabling_are_stored() -> None:
    waiting: Deferred[list[Entry]] = Deferred()
    kit = StoreFixture(enabled=False)
    late = Elsewhere(kit.kept)
    late.load = lambda: waiting  # type: ignore[method-assign]
    kit.store = OptionalStore(lambda: late, kit.erase, lambda: kit.known, enabled=False)
    switched = kit.store.set_enabled(True)
    kit.known.append(ONE)
    kit.store.put(ONE)
    assert not switched.called
    waiting.callback([])
    assert list(kit.kept) == ["one"]


def test_lower_limits_apply_at_once() -> None:
    now = [0.0]
    store = BoundedCache(lambda: now[0], max_entries=9, max_bytes=99, ttl=50.0)
    for number in range(5):
        store.put(str(number), b"12345")
    store.configure(max_entries=9, max_bytes=20, ttl=50.0)
    assert len(store) == 4
    store.configure(max_entries=3, max_bytes=20, ttl=10.0)
    assert [store.get(str(number)) for number in range(2)] == [None, None]
    now[0] = 5.0
    assert store.get("4") == b"12345"
    now[0] = 10.0
    assert store.get("3") is None
    assert store.get("4") == b"12345"
    store.configure(max_entries=0, max_bytes=20, ttl=10.0)
    assert not store.put("new", b"1")
    assert len(store) == 0


def test_entries_can_be_restored() -> None:
    store = PersistentCache(lambda: 1.0, max_entries=9, max_bytes=99, ttl=50.0)
    store.put("one", b"1")
    store.put("two", b"2")
    assert store.entries() == [Entry("one", 51.0, b"1"), Entry("two", 51.0, b"2")]
