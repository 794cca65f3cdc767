"""Signatures come back to who made them, and to nobody else."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antigravity.interfaces.stores import Entry
from antigravity.ir.events import Event, TextDelta, ThinkingDelta, ThinkingSignature, ToolCallStart
from antigravity.ir.parts import Text, Thinking, ToolCall
from antigravity.ir.request import Message, Request
from antigravity.ir.signature import Signature, seal, unseal
from antigravity.signatures.store import MAX_FETCHED, SignatureStore, StoredThinking
from antigravity.signatures.thinking_recovery import SignatureCollector, recover


@given(
    st.text(max_size=40),
    st.sampled_from(["gemini", "claude", "openai"]),
    st.sampled_from(["gemini", "claude", "openai"]),
)
def test_seal_keeps_the_family(value: str, family: str, native: str) -> None:
    if family == native and value.startswith("ag1."):
        return  # no provider's signature looks like a seal
    assert unseal(seal(Signature(value, family), native), native) == Signature(value, family)


def collect(*events: Event) -> dict[str, StoredThinking]:
    kept: dict[str, StoredThinking] = {}
    collector = SignatureCollector(kept.__setitem__)
    for event in events:
        collector.feed(event)
    return kept


CLAUDE = Signature("c", "claude")
GEMINI = Signature("g", "gemini")


def test_thinking_belongs_to_first_call_after_it() -> None:
    kept = collect(
        ThinkingDelta("a"),
        ThinkingDelta("b"),
        ThinkingSignature(CLAUDE),
        TextDelta("so"),
        ToolCallStart(0, "one", "f"),
        ToolCallStart(1, "two", "f", signature=GEMINI),
    )
    assert kept == {
        "one": StoredThinking(None, (Thinking("ab", CLAUDE),)),
        "two": StoredThinking(GEMINI, ()),
    }


def history(*parts: Thinking | ToolCall | Text) -> Request:
    return Request("m", (Message("assistant", parts),), "test")


def test_dropped_thinking_is_restored_for_its_family_only() -> None:
    kept = {"one": StoredThinking(GEMINI, (Thinking("ab", CLAUDE),))}
    bare = history(Text("so"), ToolCall("one", "f"))
    for_claude = recover(bare, kept.get, "claude").messages[0].parts
    assert for_claude == (Thinking("ab", CLAUDE), Text("so"), ToolCall("one", "f"))
    for_gemini = recover(bare, kept.get, "gemini").messages[0].parts
    assert for_gemini == (Text("so"), ToolCall("one", "f", signature=GEMINI))
    assert recover(bare, kept.get, "openai") is bare


def test_thinking_in_history_is_not_duplicated() -> None:
    kept = {"one": StoredThinking(None, (Thinking("ab", CLAUDE),))}
    whole = history(Thinking("ab", CLAUDE), ToolCall("one", "f"))
    assert recover(whole, kept.get, "claude") is whole


def test_store_is_limited_in_number_size_and_age() -> None:
    now = [0.0]
    store = SignatureStore(lambda: now[0], ttl=10, max_entries=3, max_bytes=5000)
    for number in range(5):
        store.remember("k", str(number), StoredThinking(GEMINI))
    assert len(store) == 3
    assert store.recall("k", "0") is None
    assert store.recall("k", "4") == StoredThinking(GEMINI)
    store.remember("k", "big", StoredThinking(Signature("x" * 4700, "gemini")))
    assert len(store) == 1
    now[0] = 11.0
    assert store.recall("k", "big") is None


def test_api_keys_are_separate() -> None:
    store = SignatureStore(lambda: 0.0)
    store.remember("alice", "call", StoredThinking(GEMINI))
    assert store.recall("bob", "call") is None


class Disk:
    """What a store writes."""

    def __init__(self) -> None:
        self.kept: dict[str, Entry] = {}
        self.puts = 0

    def put(self, entry: Entry) -> None:
        self.puts += 1
        self.kept.pop(entry.key, None)
        self.kept[entry.key] = entry

    def delete(self, key: str) -> None:
        self.kept.pop(key, None)


def store(now: list[float], disk: Disk, **bounds: int) -> SignatureStore:
    return SignatureStore(lambda: now[0], ttl=100, disk=disk, **bounds)  # type: ignore[arg-type]


MEMORY = StoredThinking(GEMINI, (Thinking("ab", CLAUDE), Thinking(signature=CLAUDE, redacted="r")))


def test_entries_are_restored_from_disk() -> None:
    now, disk = [0.0], Disk()
    store(now, disk).remember("k", "call", MEMORY)
    now[0] = 99.0
    again = store(now, Disk())
    assert again.restore(disk.kept.values()) == 0
    assert again.recall("k", "call") == MEMORY
    assert again.recall("other", "call") is None
    now[0] = 200.0
    assert again.recall("k", "call") is None


def test_disk_matches_memory() -> None:
    now, disk = [0.0], Disk()
    small = store(now, disk, max_entries=3)
    for number in range(5):
        small.remember("k", str(number), MEMORY)
    assert len(disk.kept) == len(small) == 3
    now[0] = 101.0
    small.remember("k", "new", MEMORY)
    assert len(disk.kept) == len(small) == 1


def test_lower_limits_apply_to_restored_entries() -> None:
    now, disk = [0.0], Disk()
    before = SignatureStore(lambda: now[0], ttl=1e9, disk=disk)  # type: ignore[arg-type]
    for number in range(5):
        before.remember("k", str(number), MEMORY)
    after = store(now, disk, max_entries=2)
    after.restore(list(disk.kept.values()))
    assert len(after) == len(disk.kept) == 2
    now[0] = 101.0  # the time to live is 100 now
    assert after.recall("k", "4") is None


def test_invalid_entries_are_removed() -> None:
    disk = Disk()
    disk.put(Entry("k\0a", 50.0, b"\xc1"))
    disk.put(Entry("k\0b", 50.0, b"\x90"))
    again = store([0.0], disk)
    assert again.restore(list(disk.kept.values())) == 2
    assert (len(again), disk.kept) == (0, {})


def test_use_renews_entries_with_few_writes() -> None:
    now, disk = [0.0], Disk()
    kept = store(now, disk)
    kept.remember("k", "call", MEMORY)
    for _ in range(100):
        now[0] += 5.0
        assert kept.recall("k", "call") == MEMORY
    assert disk.puts < 40
    now[0] += 89.0
    assert kept.recall("k", "call") == MEMORY
    now[0] += 100.0
    assert kept.recall("k", "call") is None


def test_lower_limits_apply_on_disk() -> None:
    now, disk = [0.0], Disk()
    kept = store(now, disk)
    for number in range(4):
        kept.remember("k", str(number), MEMORY)
    kept.configure(ttl=10, max_entries=3, max_bytes=9999)
    assert [entry.expires for entry in kept.entries()] == [10.0] * 3
    assert list(disk.kept.values()) == kept.entries()
    assert kept.recall("k", "0") is None
    kept.configure(ttl=1000, max_entries=3, max_bytes=9999)
    now[0] = 10.0
    assert kept.recall("k", "3") is None, "what was kept before keeps its time"


class SharedThinkingOfTest:
    """What several gateways share: a dictionary."""

    def __init__(self, values: dict[str, bytes]) -> None:
        self.values = values
        self.is_used = True
        self.asked: list[list[str]] = []
        self.absent: set[str] = set()

    def put(self, key: str, value: bytes, ttl: float) -> None:
        assert ttl == 7200.0
        self.values[key] = value

    async def find_many(self, keys: Sequence[str]) -> list[bytes | None]:
        self.asked.append(list(keys))
        return [self.values.get(key) for key in keys]

    def is_absent(self, key: str) -> bool:
        return key in self.absent

    def note_absent(self, key: str) -> None:
        self.absent.add(key)


def fetch(store: SignatureStore, *names: str) -> None:
    """Look for thinking elsewhere."""
    with pytest.raises(StopIteration):
        store.fetch("me", names).send(None)


def test_thinking_of_other_gateway_is_asked_for_once() -> None:
    values: dict[str, bytes] = {}
    one, other = SignatureStore(lambda: 0.0), SignatureStore(lambda: 0.0)
    one.shared, other.shared = (SharedThinkingOfTest(values) for _ in range(2))
    thinking = StoredThinking(Signature("s", "gemini"))
    one.remember("me", "a", thinking)
    for _ in range(2):
        fetch(other, "a", "b")
    assert other.recall("me", "a") == thinking
    assert other.recall("you", "a") is other.recall("me", "b") is None
    assert [len(each) for each in other.shared.asked] == [2], "neither again"
    values.update(dict.fromkeys(values, b"\xc1"))
    third = SignatureStore(lambda: 0.0)
    third.shared = SharedThinkingOfTest(values)
    fetch(third, "a")
    assert third.recall("me", "a") is None
    third.shared.is_used = False
    fetch(third, "c")
    third.remember("me", "c", thinking)
    assert (len(third.shared.asked), len(values)) == (1, 1)


def test_last_calls_are_asked_for_if_there_are_many() -> None:
    store = SignatureStore(lambda: 0.0)
    store.shared = shared = SharedThinkingOfTest({})
    fetch(store, *(f"{number}" for number in range(500)))
    ((*asked,),) = shared.asked
    assert (len(asked), asked[-1].endswith("499")) == (MAX_FETCHED, True)
