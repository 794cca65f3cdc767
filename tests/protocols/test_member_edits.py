"""Members of JSON objects are renamed or left out, and nothing else changes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antigravity.protocols.json_body import load_members
from antigravity.protocols.member_edits import apply_edits, find_edits, list_edits

LIMIT = {"max_tokens": "max_completion_tokens"}


def edit(body: bytes, *names: str, renamed: dict[str, str] | None = None) -> bytes:
    return apply_edits(body, find_edits(load_members(body), names, renamed or {}))


@pytest.mark.parametrize(
    ("body", "edited"),
    [
        (b'{"top_p":1,"a": 2.50}', b'{"a": 2.50}'),
        (b' {\n "top_p" : 1 ,\n "a" : [1, 2] }\n', b'{\n "a" : [1, 2] }\n'),
        (b'{"a":"top_p","top_p":{"top_p":1}}', b'{"a":"top_p"}'),
        (b'{"a":1, "top_p":1, "b":"\\u00e9"}', b'{"a":1, "b":"\\u00e9"}'),
        (b'{"top_p":1,"topP":2}', b"{}"),
        (b'{"\\u0074op_p":1,"a":1}', b'{"a":1}'),
        (b'{"a":{"top_p":1}}', b'{"a":{"top_p":1}}'),
        (b'{"top_p":1,"a":1,"a":2}', b'{"a":2}'),
    ],
)
def test_member_is_left_out(body: bytes, edited: bytes) -> None:
    assert edit(body, "top_p") == edited


@pytest.mark.parametrize(
    ("body", "edited"),
    [
        (b'{"reasoning":{"effort":"low"},"a":1}', b'{"a":1}'),
        (b'{"reasoning": {"effort":"low", "mode":1}}', b'{"reasoning": { "mode":1}}'),
        (b'{"reasoning":"effort","a":1}', b'{"reasoning":"effort","a":1}'),
        (
            b'{"generationConfig":{"thinkingConfig":{"thinkingLevel":"LOW"},"topK":1}}',
            b'{"generationConfig":{"topK":1}}',
        ),
        (b'{"messages":[{"effort":1}],"metadata":{"effort":1}}',) * 2,
    ],
)  # fmt: skip
def test_member_of_settings_is_left_out(body: bytes, edited: bytes) -> None:
    assert edit(body, "reasoning_effort") == edited


@pytest.mark.parametrize(
    ("body", "edited"),
    [
        (b'{"max_tokens": 5,"a":1}', b'{"max_completion_tokens":5,"a":1}'),
        (b'{"a":1, "max_tokens": 5}', b'{"a":1,"max_completion_tokens":5}'),
        (
            b'{"max_tokens":5,"max_completion_tokens":6}',
            b'{"max_completion_tokens":6}',
        ),
    ],
)
def test_member_is_renamed(body: bytes, edited: bytes) -> None:
    assert edit(body, renamed=LIMIT) == edited


def test_edits_are_listed_by_path() -> None:
    body = b'{"max_tokens":1,"reasoning":{"effort":"low"},"top_p":1}'
    edits = find_edits(load_members(body), {"reasoning_effort", "top_p"}, LIMIT)
    assert list(list_edits(edits)) == [
        ("max_tokens", "max_completion_tokens"),
        ("reasoning.effort", None),
        ("top_p", None),
    ]


JSON: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)
KEYS = st.sampled_from(("top_p", "seed", "user", "topP", "a", "reasoning")) | st.text()


@given(
    st.dictionaries(KEYS, JSON),
    st.sampled_from((None, 2)),
    st.booleans(),
    st.sampled_from(((",", ":"), (", ", ": "), (" , ", " : "))),
)
def test_other_members_stay_as_they_are(
    value: dict[str, Any], indent: int | None, ascii_only: bool, separators: tuple[str, str]
) -> None:
    text = json.dumps(value, indent=indent, ensure_ascii=ascii_only, separators=separators)
    body = text.encode("utf-8", "replace")
    value = json.loads(body)
    edited = edit(body, "top_p", "seed")
    left = {name: each for name, each in value.items() if name not in ("top_p", "topP", "seed")}
    assert json.loads(edited) == left
    members, before = load_members(edited), load_members(body)
    assert all(bytes(each) == bytes(before[name]) for name, each in members.items())
    if left == value:
        assert edited == body.lstrip()
