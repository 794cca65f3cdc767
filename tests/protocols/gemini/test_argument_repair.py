"""Arguments get the types that their schema declares, and nothing else about them changes."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antigravity.protocols.gemini.json_schema.repair import Repair
from tests.protocols.gemini.builders import patient

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "n": {"type": "integer"},
        "f": {"type": ["number", "null"]},
        "b": {"type": "boolean"},
        "s": {"type": "string"},
        "either": {"anyOf": [{"type": "integer"}, {"type": "string"}]},
        "level": {"enum": [1, 2, True]},
        "list": {"type": "array", "items": {"$ref": "#/$defs/Deep"}},
        "free": {"type": "object", "additionalProperties": {"type": "integer"}},
    },
    "$defs": {"Deep": {"type": "object", "properties": {"n": {"type": "integer"}}}},
}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"n": "42"}, {"n": 42}),
        ({"n": "-7"}, {"n": -7}),
        ({"n": "042"}, {"n": "042"}),
        ({"n": "4.5"}, {"n": "4.5"}),
        ({"f": "4.5"}, {"f": 4.5}),
        ({"f": "1e400"}, {"f": "1e400"}),
        ({"b": "true"}, {"b": True}),
        ({"b": "False"}, {"b": False}),
        ({"b": "yes"}, {"b": "yes"}),
        ({"s": "42"}, {"s": "42"}),
        ({"either": "42"}, {"either": "42"}),
        ({"level": "2"}, {"level": 2}),
        ({"level": "true"}, {"level": True}),
        ({"level": "3"}, {"level": "3"}),
        ({"list": [{"n": "1"}, "x"]}, {"list": [{"n": 1}, "x"]}),
        ({"free": {"a": "1", "b": 2}}, {"free": {"a": 1, "b": 2}}),
        ({"unknown": "42"}, {"unknown": "42"}),
    ],
)
def test_arguments_are_repaired_by_the_schema(
    given: dict[str, Any], expected: dict[str, Any]
) -> None:
    repaired = Repair(SCHEMA).arguments(given)
    assert repaired == expected
    assert repr(repaired) == repr(expected)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.just("#/$defs/a"),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["type", "properties", "items", "$ref", "anyOf", "enum", "a"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=20,
)


@patient
@given(st.dictionaries(st.text(max_size=3), json_values, max_size=3), json_values)
def test_repair_keeps_argument_names_for_any_schema(arguments: dict[str, Any], schema: Any) -> None:
    if isinstance(schema, dict):
        repaired = Repair(schema).arguments(arguments)
        assert repaired.keys() == arguments.keys()
