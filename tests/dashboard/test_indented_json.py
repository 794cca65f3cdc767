"""JSON is indented like that of the standard library, but never without a limit."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from antigravity.dashboard.formats import pretty
from antigravity.dashboard.indented_json import indent_json
from antigravity.dashboard.payload_view import PayloadView
from antigravity.interfaces.lab import LARGEST
from antigravity.interfaces.payloads import PayloadMessage, ReplayRoute, RequestPayloads

_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)
#: 190 KB, which indentation makes 90 MB.
_DEEP = f"[{','.join(['[' * 480 + ']' * 480] * 200)}]"


@given(_VALUES, st.booleans(), st.sampled_from([None, 1, "\t"]))
def test_json_is_indented_like_that_of_the_standard_library(
    value: Any, ascii_only: bool, indent: int | str | None
) -> None:
    text = json.dumps(value, ensure_ascii=ascii_only, indent=indent)
    expected = json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    if "\\u" not in text:  # control characters may be written in several ways
        assert indent_json(text, 1_000_000) == expected
    assert json.loads(indent_json(text, 1_000_000)) == value


@given(_VALUES, st.integers(0, 200))
def test_only_beginning_is_made(value: Any, most: int) -> None:
    text = json.dumps(value)
    whole, part = indent_json(text, 1_000_000), indent_json(text, most)
    assert whole.startswith(part)
    assert part == whole or len(part) > most


def test_other_text_stays() -> None:
    for text in ("", "data: {}\n\n", "[1,", "\ud800", "[" * 100_000, "{} {}"):
        assert indent_json(text, 10) == text


def test_deep_json_stays_small() -> None:
    assert len(indent_json(_DEEP, 10_000)) < 12_000
    assert pretty(_DEEP) == _DEEP
    assert len(pretty("[1,2]")) > 5
    assert len(_DEEP) < LARGEST


def test_page_of_a_request_with_deep_json_and_many_parts_is_small() -> None:
    turn = {"role": "r" * 10_000, "content": [*(["a"] * 100_000), {"type": "t" * 10_000}]}
    call = {"type": "function_call", "name": "n", "arguments": _DEEP}
    body = f'{{"messages":[{json.dumps(turn)},{json.dumps(call)}],"metadata":{_DEEP}}}'
    messages = [
        PayloadMessage(
            direction, None, "POST", "http://g/v1", None, [], body, len(body), 0, 0, False
        )
        for direction in ("from_client", "to_upstream")
    ]
    route = ReplayRoute("openai_chat", "POST", "/v1/chat/completions", "", {}, [])
    view = PayloadView(RequestPayloads("r", messages, route, ""), "http://g")
    (asked,) = view.conversation
    shown = [part for turn in asked.turns for part in turn.parts]
    assert len(shown) < 50
    assert sum(len(part.text) + len(part.title) for part in shown) < 20_000
    assert all(len(turn.role) < 300 for turn in asked.turns)
    assert len(asked.pretty) < 17_000
    assert asked.is_shortened
    assert len(view.diff) < 300
