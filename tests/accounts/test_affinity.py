"""Bindings last, within bounds."""

from __future__ import annotations

import json

from antigravity.accounts.affinity import Bindings


class Time:
    now = 1_800_000_000.0


def bindings(time: Time, **more: float) -> Bindings:
    return Bindings(lambda: time.now, **more)  # type: ignore[arg-type]


def test_binding_ends_after_its_ttl() -> None:
    time = Time()
    bound = bindings(time, ttl=100.0)
    assert bound.bind("s", "u", "f", "a")
    assert not bound.bind("s", "u", "f", "a")  # nothing new to keep
    time.now += 90.0
    assert bound.bind("s", "u", "f", "a")
    time.now += 99.0
    assert bound.get("s", "u", "f") == "a"
    time.now += 1.0
    assert bound.get("s", "u", "f") is None


def test_unbind_removes_only_the_given_account() -> None:
    bound = bindings(Time())
    bound.bind("s", "u", "f", "a")
    bound.bind("s", "u", "g", "a")
    bound.bind("t", "u", "f", "b")
    assert not bound.unbind("s", "u", "f", "b")
    assert bound.unbind("s", "u", "f", "a")
    assert bound.get("s", "u", "g") == "a"
    assert bound.unbind_account("a")
    assert not bound.unbind_account("a")
    assert bound.counts() == {"b": 1}


def test_least_recently_used_binding_is_removed() -> None:
    bound = bindings(Time(), max_entries=2)
    bound.bind("one", "u", "f", "a")
    bound.bind("two", "u", "f", "b")
    bound.bind("one", "u", "f", "c")
    bound.bind("three", "u", "f", "a")
    assert [bound.get(name, "u", "f") for name in ("one", "two", "three")] == ["c", None, "a"]


def test_snapshot_keeps_times() -> None:
    time = Time()
    first = bindings(time, ttl=100.0)
    first.bind("old", "u", "f", "a")
    time.now += 60.0
    first.bind("new", "u", "f", "b")
    data = json.loads(json.dumps(first.snapshot()))
    time.now += 50.0
    again = bindings(time, ttl=100.0)
    assert again.restore([*data, {"session": 5}, None]) == 2
    assert again.get("old", "u", "f") is None
    assert again.get("new", "u", "f") == "b"
    assert again.restore("nonsense") == 0
