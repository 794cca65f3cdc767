"""Files under names that nobody can guess."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antigravity.stores import published_files
from antigravity.stores.published_files import PublishedFiles


class Time:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def files(max_bytes: int = 100, ttl: float = 60.0) -> tuple[PublishedFiles, Time]:
    time = Time()
    return PublishedFiles(time, max_bytes=max_bytes, ttl=ttl), time


def test_file_is_available_until_it_expires() -> None:
    kept, time = files()
    name = kept.publish("image/png", b"picture")
    assert name.endswith(".png")
    assert len(name) > 30
    time.now += 20
    file = kept.find(name)
    assert file is not None
    assert (file.mime_type, file.data, file.remaining) == ("image/png", b"picture", 40.0)
    time.now += 40
    assert kept.find(name) is None, "looking at it has not kept it longer"
    assert len(kept) == 0


def test_names_are_unique() -> None:
    kept, _ = files()
    assert kept.publish("image/png", b"a") != kept.publish("image/png", b"a")
    assert kept.find("") is None
    assert kept.find("a.png") is None


def test_too_large_file_is_not_stored() -> None:
    kept, _ = files(max_bytes=3)
    name = kept.publish("image/png", b"abc")
    assert kept.publish("image/png", b"abcd") == ""
    assert kept.find(name) is not None, "and nothing had to make room for it"


@given(st.lists(st.integers(0, 12), max_size=30), st.integers(1, 30))
def test_oldest_files_make_room(sizes: list[int], limit: int) -> None:
    kept, _ = files(max_bytes=limit)
    names = [(kept.publish("image/png", bytes(size)), size) for size in sizes]
    known = [(name, size) for name, size in names if name and kept.find(name) is not None]
    assert sum(size for _, size in known) <= limit
    fitting = [entry for entry in names if entry[0]]
    assert known == fitting[len(fitting) - len(known) :], "the newest are left"


def test_new_limits_apply_at_once() -> None:
    kept, time = files()
    old = kept.publish("image/png", bytes(60))
    new = kept.publish("image/png", bytes(30))
    kept.configure(max_bytes=50, ttl=5.0)
    assert kept.find(old) is None
    assert kept.find(new) is not None
    later = kept.publish("image/png", b"x")
    time.now += 6
    assert kept.find(later) is None
    assert kept.find(new) is not None, "it was promised for longer"


def test_number_of_files_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(published_files, "MAX_FILES", 100)
    kept, _ = files()
    names = [kept.publish("image/png", b"") for _ in range(102)]
    assert len(kept) == 100
    assert [kept.find(name) is None for name in names[:4]] == [True, True, False, False]
