"""Arguments that models write by hand become JSON objects, the same streamed and whole."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antigravity.ir import events as ev
from antigravity.protocols.anthropic.tool_input import as_object
from antigravity.protocols.tool_arguments import ControlEscaper, begins_object
from antigravity.sse import SseDecoder
from tests.protocols.anthropic.builders import stream

WRITTEN = [
    '{"p":"a\nb\tc"}',
    '{\n "p": "x",\n\t"q": [1,\n2]}',
    '{"p":"a\\\\"}\n',
    '{"p":"quote \\" and\nline"}',
    "{'p': 1}",
    "{p: 1}",
    "{ }",
    "{",
    "[1]",
    '"{\\"p\\":1}"',
    "",
]


def streamed(pieces: list[str]) -> str:
    events = [
        ev.ResponseStart("m", "m"),
        ev.ToolCallStart(0, "a", "f"),
        *(ev.ToolCallDelta(0, piece) for piece in pieces),
        ev.ToolCallEnd(0),
        ev.Finish("tool_calls", None, None),
    ]
    frames = SseDecoder().feed(stream(events))
    deltas = [json.loads(frame.data).get("delta", {}) for frame in frames]
    return "".join(delta.get("partial_json", "") for delta in deltas)


@pytest.mark.parametrize("arguments", WRITTEN)
@pytest.mark.parametrize("size", [1, 2, 7, 100])
def test_arguments_are_the_same_object_streamed_and_whole(arguments: str, size: int) -> None:
    pieces = [arguments[place : place + size] for place in range(0, len(arguments), size)]
    found = json.loads(streamed(pieces))
    assert isinstance(found, dict)
    assert found == json.loads(as_object(arguments))


@given(st.dictionaries(st.text(), st.text() | st.lists(st.integers())), st.integers(1, 9))
def test_valid_json_is_unchanged(value: dict[str, object], size: int) -> None:
    escaper = ControlEscaper()
    text = json.dumps(value, indent=1, ensure_ascii=False)
    pieces = [text[place : place + size] for place in range(0, len(text), size)]
    assert "".join(map(escaper.feed, pieces)) == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", None),
        (" {", None),
        ("{ \n", None),
        ('{"', True),
        ("{}", True),
        ("{'", False),
        ("[", False),
    ],
)
def test_whether_arguments_begin_as_an_object(text: str, expected: bool | None) -> None:
    assert begins_object(text) is expected
