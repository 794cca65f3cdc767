"""What is kept on disk is what is kept in memory."""

from __future__ import annotations

from antigravity.interfaces.stores import Entry
from antigravity.stores.persistent_cache import PersistentCache


class Disk:
    """A store that keeps entries in a dictionary."""

    def __init__(self) -> None:
        self.entries: dict[str, Entry] = {}

    def put(self, entry: Entry) -> None:
        self.entries[entry.key] = entry

    def delete(self, key: str) -> None:
        self.entries.pop(key, None)


def kept(disk: Disk, now: float = 100.0) -> PersistentCache:
    return PersistentCache(lambda: now, max_entries=2, max_bytes=10, ttl=50.0, disk=disk)  # type: ignore[arg-type]


def test_put_survives_a_restart() -> None:
    disk = Disk()
    store = kept(disk)
    store.put("a", b"1")
    store.put("a", b"2")
    assert disk.entries == {"a": Entry("a", 150.0, b"2")}
    again = kept(disk)
    again.restore(disk.entries.values())
    assert again.get("a") == b"2"
    assert len(again) == 1


def test_removal_from_memory_removes_from_disk() -> None:
    disk = Disk()
    store = kept(disk)
    for key in "abc":
        store.put(key, b"1")
    assert sorted(disk.entries) == ["b", "c"]
    store.delete("b")
    assert sorted(disk.entries) == ["c"]
    assert not store.put("d", b"12345678901")
    assert sorted(disk.entries) == ["c"]


def test_reading_does_not_write() -> None:
    disk = Disk()
    store = kept(disk)
    store.put("a", b"1")
    disk.entries.clear()
    assert store.get("a") == b"1"
    assert disk.entries == {}
