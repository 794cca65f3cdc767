"""Halves of characters in JSON text."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antigravity.ir.json_text import clean_json
from antigravity.ir.surrogates import (
    FragmentRepairer,
    lone_surrogates_in,
    repair_surrogates,
    repair_surrogates_in_json,
    repair_surrogates_in_text,
)
from antigravity.protocols.tool_arguments import object_text

ANY = st.text(st.characters(), max_size=12) | st.lists(
    st.sampled_from(("\ud83d", "\ude00", "\\", "u", "d83d", '"', "a")), max_size=12
).map("".join)


def whole(text: str) -> str:
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


@given(ANY, ANY)
def test_repaired_json_is_equal_except_for_replacements(name: str, value: str) -> None:
    data = json.dumps({name: value}).encode()
    repaired = repair_surrogates(data)
    found = json.loads(repaired)
    assert set(found) == {whole(name)}
    assert list(found.values()) == [whole(value)]
    assert (repaired is data) == (not lone_surrogates_in(data))
    assert repair_surrogates_in_json(data.decode()).encode() == repaired


@given(ANY, st.lists(st.integers(1, 7), max_size=30))
def test_fragments_are_repaired_for_any_chunks(value: str, sizes: list[int]) -> None:
    text = json.dumps({"p": value})
    repairer = FragmentRepairer()
    out, place = "", 0
    for size in sizes:
        out += repairer.feed(text[place : place + size])
        place += size
    out += repairer.feed(text[place:]) + repairer.end()
    assert json.loads(out) == {"p": whole(value)}


@given(ANY)
def test_lone_surrogates_are_replaced(text: str) -> None:
    assert repair_surrogates_in_text(text) == whole(text)


def test_lone_surrogates_in_body_are_replaced() -> None:
    body = b'{"a": "\\ud83d"}'
    assert clean_json(b"\xef\xbb\xbf" + body) == b'{"a": "\\ufffd"}'
    good = b'{"a": "\\ud83d\\ude00"}'
    assert clean_json(good) is good
    form = b"--x\r\n\\ud83d"
    assert clean_json(form) is form
    assert clean_json(b"") == b""


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ('{"a":1}', '{"a":1}'),
        (' {"a":1.0}\n', '{"a":1.0}'),
        ("", "{}"),
        ("null", "{}"),
        ('""', "{}"),
        ('"null"', "{}"),
        ('"{}"', "{}"),
        (json.dumps('{"a":1}'), '{"a":1}'),
        ("[]", None),
        ("1", None),
        ('"a"', None),
        ('{"a":', None),
        ("[" * 5000, None),
    ],
)
def test_arguments_that_mean_an_object(arguments: str, expected: str | None) -> None:
    assert object_text(arguments) == expected
