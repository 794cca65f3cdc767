"""ResponseStore: clients see their own responses only, within the limits of the store."""

from __future__ import annotations

from antigravity.exchange.operations.response_store import ResponseOrigin, ResponseStore
from antigravity.stores.bounded_cache import BoundedCache

ORIGIN = ResponseOrigin("openai", "key-1", "gpt-5")


def store(entries: int = 10, size: int = 1000) -> BoundedCache:
    return BoundedCache(lambda: 0.0, max_entries=entries, max_bytes=size, ttl=60.0)


def test_client_finds_only_its_own_responses() -> None:
    shared = store()
    mine, yours = (
        ResponseStore(shared, "me", "openai_responses"),
        ResponseStore(shared, "you", "openai_responses"),
    )
    mine.put("a", b"{}")
    mine.put_origin("b", ORIGIN)
    assert mine.get("a") == b"{}"
    assert mine.get("b") == ORIGIN
    assert yours.get("a") is yours.get("b") is None
    assert yours.is_other_clients("a")
    assert yours.is_other_clients("b")
    assert not yours.is_other_clients("c")
    yours.delete("a")
    assert mine.get("a") == b"{}"
    mine.delete("a")
    assert mine.get("a") is None


def test_response_beyond_limits_is_not_stored() -> None:
    responses = ResponseStore(store(size=100), "me", "openai_responses")
    responses.put("a", b"x" * 200)
    assert responses.get("a") is None
    responses = ResponseStore(store(entries=1), "me", "openai_responses")
    responses.put("a", b"1")
    responses.put_origin("b", ORIGIN)
    assert responses.get("a") is None
    assert responses.get("b") == ORIGIN
