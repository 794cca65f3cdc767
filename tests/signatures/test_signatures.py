"""Signatures come back to who made them, and to nobody else."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from antigravity.ir.events import Event, TextDelta, ThinkingDelta, ThinkingSignature, ToolCallStart
from antigravity.ir.parts import Text, Thinking, ToolCall
from antigravity.ir.request import Message, Request
from antigravity.ir.signature import Signature, seal, unseal
from antigravity.signatures.recovery import SignatureCollector, recover
from antigravity.signatures.store import Memory, SignatureStore


@given(
    st.text(max_size=40),
    st.sampled_from(["gemini", "claude", "openai"]),
    st.sampled_from(["gemini", "claude", "openai"]),
)
def test_a_seal_keeps_the_family(value: str, family: str, native: str) -> None:
    if family == native and value.startswith("ag1."):
        return  # no provider's signature looks like a seal
    assert unseal(seal(Signature(value, family), native), native) == Signature(value, family)


def collect(*events: Event) -> dict[str, Memory]:
    kept: dict[str, Memory] = {}
    collector = SignatureCollector(kept.__setitem__)
    for event in events:
        collector.feed(event)
    return kept


CLAUDE = Signature("c", "claude")
GEMINI = Signature("g", "gemini")


def test_thinking_goes_with_the_first_call_after_it() -> None:
    kept = collect(
        ThinkingDelta("a"),
        ThinkingDelta("b"),
        ThinkingSignature(CLAUDE),
        TextDelta("so"),
        ToolCallStart(0, "one", "f"),
        ToolCallStart(1, "two", "f", signature=GEMINI),
    )
    assert kept == {
        "one": Memory(None, (Thinking("ab", CLAUDE),)),
        "two": Memory(GEMINI, ()),
    }


def history(*parts: Thinking | ToolCall | Text) -> Request:
    return Request("m", (Message("assistant", parts),), "test")


def test_what_a_client_dropped_is_put_back_for_its_family_only() -> None:
    kept = {"one": Memory(GEMINI, (Thinking("ab", CLAUDE),))}
    bare = history(Text("so"), ToolCall("one", "f"))
    for_claude = recover(bare, kept.get, "claude").messages[0].parts
    assert for_claude == (Thinking("ab", CLAUDE), Text("so"), ToolCall("one", "f"))
    for_gemini = recover(bare, kept.get, "gemini").messages[0].parts
    assert for_gemini == (Text("so"), ToolCall("one", "f", signature=GEMINI))
    assert recover(bare, kept.get, "openai") is bare


def test_what_a_client_kept_is_not_doubled() -> None:
    kept = {"one": Memory(None, (Thinking("ab", CLAUDE),))}
    whole = history(Thinking("ab", CLAUDE), ToolCall("one", "f"))
    assert recover(whole, kept.get, "claude") is whole


def test_the_store_is_bounded_by_number_size_and_age() -> None:
    now = [0.0]
    store = SignatureStore(lambda: now[0], ttl=10, max_entries=3, max_bytes=5000)
    for number in range(5):
        store.remember("k", str(number), Memory(GEMINI))
    assert len(store) == 3
    assert store.recall("k", "0") is None
    assert store.recall("k", "4") == Memory(GEMINI)
    store.remember("k", "big", Memory(Signature("x" * 4700, "gemini")))
    assert len(store) == 1
    now[0] = 11.0
    assert store.recall("k", "big") is None


def test_keys_do_not_see_each_other() -> None:
    store = SignatureStore(lambda: 0.0)
    store.remember("alice", "call", Memory(GEMINI))
    assert store.recall("bob", "call") is None
