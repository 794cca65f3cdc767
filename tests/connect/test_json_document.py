"""JSON with comments is changed where it must be, and nowhere else."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from antigravity.connect.files.document import MISSING, DocumentError, Item, find
from antigravity.connect.files.json_document import JsonDocument
from antigravity.connect.files.jsonc_scanner import JsonSyntaxError, scan

NAMES = st.sampled_from(["a", "b", "env", "x y", "é", "list", 'quo"te'])
SCALARS = st.one_of(st.none(), st.booleans(), st.integers(-9, 9), st.text(max_size=5))
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(NAMES, inner, max_size=3)),
    max_leaves=12,
)
OBJECTS = st.dictionaries(NAMES, VALUES, min_size=1, max_size=4)


@st.composite
def written(draw: st.DrawFn, value: Any, depth: int = 0, newline: str = "\n") -> str:
    """Return a value as somebody may have written it: with comments, commas and line breaks."""
    if not isinstance(value, dict | list) or not value:
        return json.dumps(value, ensure_ascii=draw(st.booleans()))
    in_lines = draw(st.booleans())
    indent = newline + "  " * (depth + 1) if in_lines else ""
    parts = []
    entries = list(value.items()) if isinstance(value, dict) else [(None, each) for each in value]
    for number, (name, each) in enumerate(entries):
        comment = draw(st.sampled_from(["", "", "/* , */ ", "// : }\n"])) if in_lines else ""
        comment = comment.replace("\n", newline + "  " * (depth + 1))
        label = "" if name is None else json.dumps(name) + draw(st.sampled_from([":", ": ", " : "]))
        is_last = number == len(entries) - 1
        comma = "," if not is_last or draw(st.booleans()) else ""
        text = draw(written(each, depth + 1, newline))
        note = draw(st.sampled_from(["", " // note, with comma"])) if in_lines else ""
        parts.append(f"{indent}{comment}{label}{text}{comma}{note}")
        if not in_lines and not is_last:
            parts.append(" ")
    end = newline + "  " * depth if in_lines else ""
    opening, closing = "{}" if isinstance(value, dict) else "[]"
    return opening + "".join(parts) + end + closing


@st.composite
def files(draw: st.DrawFn) -> tuple[str, dict[str, Any]]:
    value = draw(OBJECTS)
    newline = draw(st.sampled_from(["\n", "\r\n"]))
    text = draw(written(value, 0, newline))
    before, after = draw(st.sampled_from([("", ""), ("", newline), ("// top" + newline, newline)]))
    return before + text + after, value


def comments(text: str) -> list[str]:
    """Return the comments of a text; strings in these tests hold none."""
    return re.findall(r"//[^\r\n]*|/\*.*?\*/", text)


@settings(max_examples=60)
@given(files())
def test_settings_are_read(file: tuple[str, dict[str, Any]]) -> None:
    text, value = file
    document = JsonDocument(text)
    assert document.plain() == value
    assert document.text() == text


@settings(max_examples=60)
@given(files(), NAMES, VALUES)
def test_only_one_setting_changes(
    file: tuple[str, dict[str, Any]], name: str, value: object
) -> None:
    text, before = file
    document = JsonDocument(text)
    document.set((name,), value)
    assert document.plain() == {**before, name: value}
    assert JsonDocument(document.text()).plain() == {**before, name: value}
    if name not in before:
        assert comments(document.text()) == comments(text)


@settings(max_examples=60)
@given(files(), VALUES, st.sampled_from([("new",), ("new", "deep", "er"), ("env", "NEW")]))
def test_new_setting_that_is_removed_leaves_text_as_it_was(
    file: tuple[str, dict[str, Any]], value: object, path: tuple[str, ...]
) -> None:
    text, before = file
    env = before.get("env")
    if path[0] == "env" and "env" in before and (not isinstance(env, dict) or not env):
        return
    document = JsonDocument(text)
    document.set(path, value)
    if path[0] in before:
        document.remove(path)
    else:
        document.remove(path[:1])
    assert document.text() == text


@settings(max_examples=60)
@given(files(), NAMES)
def test_removed_setting_is_gone_and_others_stay(
    file: tuple[str, dict[str, Any]], name: str
) -> None:
    text, before = file
    document = JsonDocument(text)
    document.remove((name,))
    rest = {key: value for key, value in before.items() if key != name}
    assert document.plain() == rest
    assert JsonDocument(document.text()).plain() == rest


@settings(max_examples=60)
@given(st.text(alphabet='{}[]",:/*\n 1a\\', max_size=30))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        document = JsonDocument(text)
    except DocumentError:
        return
    if isinstance(document.plain(), dict):
        document.set(("n",), 1)
        assert document.plain()["n"] == 1


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", '{\n  "a": {\n    "b": 1\n  }\n}\n'),
        ("{}", '{\n  "a": {\n    "b": 1\n  }\n}'),
        ('{"x": 1}', '{"x": 1, "a": {"b": 1}}'),
        ('{"x": 1,}', '{"x": 1, "a": {"b": 1},}'),
        ('{\n\t"x": 1 // n\n}\n', '{\n\t"x": 1, // n\n\t"a": {\n\t\t"b": 1\n\t}\n}\n'),
        (
            '{\r\n    "x": 1,\r\n}\r\n',
            '{\r\n    "x": 1,\r\n    "a": {\r\n        "b": 1\r\n    },\r\n}\r\n',
        ),
        ("{\n  // only\n}", '{\n  // only\n  "a": {\n    "b": 1\n  }\n}'),
        ('{"a": {"b": 0}}', '{"a": {"b": 1}}'),
        ('\ufeff{"a": {}}', '\ufeff{"a": {\n  "b": 1\n}}'),
    ],
)
def test_style_of_file_is_kept(text: str, expected: str) -> None:
    document = JsonDocument(text)
    document.set(("a", "b"), 1)
    assert document.text() == expected


def test_items_of_lists_are_added_replaced_and_removed() -> None:
    text = '[\n  {"name": "mine"} // first\n]\n'
    document = JsonDocument(text)
    document.set((Item("name", "ours"),), {"name": "ours", "n": 1})
    document.set((Item("name", "ours"),), {"name": "ours", "n": 2})
    assert document.plain() == [{"name": "mine"}, {"name": "ours", "n": 2}]
    assert find(document.plain(), (Item("name", "ours"), "n")) == 2
    document.remove((Item("name", "ours"),))
    assert document.text() == text
    assert find(document.plain(), (Item("name", "ours"),)) is MISSING


def test_empty_list_is_made_where_a_list_is_the_whole() -> None:
    document = JsonDocument("", root=[])
    document.set((Item("name", "ours"),), {"name": "ours"})
    assert document.plain() == [{"name": "ours"}]


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ('{"a": 1}', ("a", "b")),
        ('{"a": [1]}', ("a", "b")),
        ('{"a": {"b": 1}}', ("a", Item("name", "x"))),
        ("[]", ("a",)),
        ("3", ("a",)),
    ],
)
def test_setting_below_other_kind_is_refused(text: str, path: Any) -> None:
    with pytest.raises(DocumentError):
        JsonDocument(text).set(path, 1)


@pytest.mark.parametrize(
    "text",
    ["{", '{"a"}', '{"a": }', "[1 2]", "{'a': 1}", '{"a": 1} 2', "/* open", '{"a": "x\ny"}', "NaN"],
)
def test_other_text_is_refused_with_its_line(text: str) -> None:
    with pytest.raises(JsonSyntaxError, match="line"):
        scan(text)


def test_deep_nesting_is_refused() -> None:
    with pytest.raises(JsonSyntaxError, match="deep"):
        scan("[" * 5000)
