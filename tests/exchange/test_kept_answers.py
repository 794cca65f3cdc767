"""Answers by key: nobody sees another's, and all of it is bounded."""

from __future__ import annotations

from antigravity.exchange.operations.response_store import KeptAnswers, Origin
from antigravity.stores.bounded_cache import BoundedCache

ORIGIN = Origin("openai", "key-1", "gpt-5")


def store(entries: int = 10, size: int = 1000) -> BoundedCache:
    return BoundedCache(lambda: 0.0, max_entries=entries, max_bytes=size, ttl=60.0)


def test_a_key_finds_its_own_answers_alone() -> None:
    shared = store()
    mine, yours = KeptAnswers(shared, "me"), KeptAnswers(shared, "you")
    mine.keep("a", b"{}")
    mine.point("b", ORIGIN)
    assert mine.find("a") == b"{}"
    assert mine.find("b") == ORIGIN
    assert yours.find("a") is yours.find("b") is None
    assert yours.is_anothers("a")
    assert yours.is_anothers("b")
    assert not yours.is_anothers("c")
    yours.forget("a")
    assert mine.find("a") == b"{}"
    mine.forget("a")
    assert mine.find("a") is None


def test_what_is_too_large_is_not_kept() -> None:
    answers = KeptAnswers(store(size=100), "me")
    answers.keep("a", b"x" * 200)
    assert answers.find("a") is None
    answers = KeptAnswers(store(entries=1), "me")
    answers.keep("a", b"1")
    answers.point("b", ORIGIN)
    assert answers.find("a") is None
    assert answers.find("b") == ORIGIN
