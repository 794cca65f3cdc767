"""JSON is split into its values at a bounded cost, wherever its bytes are cut."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antigravity.exchange.streams.json_splitter import MAX_DEPTH, JsonSplitter
from antigravity.sse import EventTooLargeError

TEXT = st.text('a"\\{}[]é')
INNER = st.recursive(
    st.none() | st.integers() | TEXT,
    lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner),
    max_leaves=20,
)
OBJECTS = st.lists(st.dictionaries(TEXT, INNER), max_size=5)


def split(data: bytes, cuts: list[int]) -> list[Any]:
    """Return the values in ``data``, which comes in pieces."""
    values = JsonSplitter()
    places = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    pieces = [data[start:stop] for start, stop in itertools.pairwise(places)]
    events = [event for piece in pieces for event in values.feed(piece)] + values.close()
    return [json.loads(event.data) for event in events]


@given(OBJECTS, st.lists(st.integers(0, 300), max_size=8), st.sampled_from(["array", "lines"]))
def test_each_object_is_one_value_for_any_chunks(
    objects: list[Any], cuts: list[int], form: str
) -> None:
    data = json.dumps(objects, ensure_ascii=False).encode()
    if form == "lines":
        data = b"\n".join(json.dumps(each).encode() for each in objects)
    assert split(data, cuts) == objects


@pytest.mark.parametrize("bracket", [b"[", b'{"a":'])
@pytest.mark.parametrize("size", [1, 1000, 100_000])
def test_value_that_is_nested_too_deeply_is_refused(bracket: bytes, size: int) -> None:
    data = bracket * (MAX_DEPTH + 1)
    values = JsonSplitter()
    pieces = [data[start : start + size] for start in range(0, len(data), size)]
    with pytest.raises(EventTooLargeError):
        list(map(values.feed, pieces))


def test_value_at_depth_limit_is_accepted() -> None:
    depth = MAX_DEPTH - 2
    data = b'[{"a":' + b"[" * depth + b"]" * depth + b"}]"
    assert [event.data for event in JsonSplitter().feed(data)] == [data[1:-1]]
