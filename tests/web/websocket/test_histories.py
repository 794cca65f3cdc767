"""What connections remember is bounded, and no client displaces what others need."""

from __future__ import annotations

from typing import Any

import pytest

from antigravity.web.websocket.histories import ClientHistories

BOUNDS: dict[str, Any] = {"max_entries": 10, "max_bytes": 1000, "ttl": 60.0}


def make() -> ClientHistories:
    return ClientHistories(lambda: 0.0, **BOUNDS)


@pytest.mark.parametrize("size", [100, 1])
def test_largest_client_loses_its_oldest_values(size: int) -> None:
    histories = make()
    small, large = histories.store_for("small"), histories.store_for("large")
    small.put("a", bytes(size))
    for number in range(30):
        assert large.put(str(number), bytes(size))
    assert small.get("a") == bytes(size)
    assert [number for number in range(30) if large.get(str(number))] == list(range(21, 30))


def test_only_client_can_use_all_memory() -> None:
    store = make().store_for("only")
    assert store.put("a", bytes(1000))
    assert not store.put("b", bytes(1001))
    assert store.get("a")


def test_value_of_another_client_is_not_found() -> None:
    histories = make()
    histories.store_for("one").put("a", b"1")
    other = histories.store_for("other")
    assert other.get("a") is None
    assert not other.delete("a")
    assert histories.store_for("one").get("a") == b"1"


def test_client_without_values_is_forgotten() -> None:
    histories = make()
    store = histories.store_for("one")
    store.put("a", b"1")
    assert store.delete("a")
    assert not histories._clients
    assert not store.put("a", bytes(2000))
    assert not histories._clients


def test_smaller_bounds_apply_at_once() -> None:
    histories = make()
    one, two = histories.store_for("one"), histories.store_for("two")
    one.put("a", bytes(400))
    two.put("b", bytes(300))
    histories.configure(**{**BOUNDS, "max_bytes": 500})
    assert one.get("a") is None
    assert two.get("b")
