"""Bodies are made fit for every reader, at a bounded cost."""

from __future__ import annotations

import json
import tracemalloc

import pytest

from antigravity.ir.errors import InvalidRequestError
from antigravity.ir.json_text import _MOST_HALVES, clean_json, may_need_cleaning

REPLACED = rb'{"a":"\ufffd"}'


@pytest.mark.parametrize(
    "body",
    [
        rb'{"a":"\ud83d"}',
        rb'{"a":"\udc00"}',
        b'{"a":"\xed\xa0\xbd"}',
        b'\xef\xbb\xbf{"a":"\\ud83d"}',
    ],
)
def test_halves_of_characters_and_the_mark_are_replaced(body: bytes) -> None:
    assert may_need_cleaning(body, body)
    assert clean_json(body) == REPLACED


@pytest.mark.parametrize(
    "body",
    [
        b'{"a":"plain"}',
        json.dumps({"a": "\U0001f600\u00e9"}).encode(),
        json.dumps({"a": "\ud55c\uae00"}, ensure_ascii=False).encode(),
        b"--x\r\n\\ud83d",
        b"",
    ],
)
def test_body_that_needs_no_change_is_not_copied(body: bytes) -> None:
    assert clean_json(body) is body


@pytest.mark.parametrize("half", [b"\\ud83d ", b"\xed\xa0\xbd"])
def test_many_lone_surrogates_are_refused_before_memory_grows(half: bytes) -> None:
    few, many = (b'{"a":"' + half * n + b'"}' for n in (_MOST_HALVES, 1_000_000))
    assert clean_json(few).count(rb"\ufffd") == _MOST_HALVES
    tracemalloc.start()
    try:
        with pytest.raises(InvalidRequestError, match="halves"):
            clean_json(many)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 3 * len(many) + 5_000_000
