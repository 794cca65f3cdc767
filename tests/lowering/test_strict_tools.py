"""Strict functions for targets with OpenAI's rules, and the way back for their arguments."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antigravity.ir.capabilities import Capabilities, Target, Traits
from antigravity.ir.events import Event, TextDelta, ToolCallDelta, ToolCallEnd, ToolCallStart
from antigravity.ir.parts import Text
from antigravity.ir.request import Message, Request
from antigravity.ir.tools import FunctionTool
from antigravity.lowering.strict_tools import (
    NullArgumentPass,
    fit_strict_tools,
    strict_schema,
    without_nulls,
)

OPENAI = Traits("openai", strict="openai")
TARGET = Target("m", Capabilities("openai"))
DAY = {"type": "object", "properties": {"n": {"type": "integer"}}}


def request(*tools: FunctionTool) -> Request:
    return Request("m", (Message("user", (Text("hi"),)),), "anthropic", tools=tools)


def obj(properties: dict[str, Any], *required: str) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(required)}


def test_optional_properties_become_nullable_and_required() -> None:
    schema = obj(
        {
            "city": {"type": "string"},
            "days": {"type": "integer", "description": "How many."},
            "unit": {"type": "string", "enum": ["c", "f"]},
            "when": {"anyOf": [{"type": "string"}, {"type": "integer"}]},
            "kind": {"const": "x"},
            "maybe": {"type": ["string", "null"]},
            "day": {"$ref": "#/$defs/day"},
        },
        "city",
    ) | {"$defs": {"day": DAY}}
    found = strict_schema(schema)
    assert found["required"] == list(schema["properties"])
    assert found["additionalProperties"] is False
    properties = found["properties"]
    assert properties["city"] == {"type": "string"}
    assert properties["days"] == {"type": ["integer", "null"], "description": "How many."}
    assert properties["unit"] == {"type": ["string", "null"], "enum": ["c", "f", None]}
    assert properties["when"]["anyOf"][-1] == {"type": "null"}
    assert properties["kind"] == {"anyOf": [{"const": "x"}, {"type": "null"}]}
    assert properties["maybe"] == {"type": ["string", "null"]}
    assert properties["day"] == {"anyOf": [{"$ref": "#/$defs/day"}, {"type": "null"}]}
    assert found["$defs"]["day"]["required"] == ["n"]
    assert strict_schema(found) == found


def test_unsupported_keywords_move_to_description() -> None:
    schema = obj(
        {
            "name": {"type": "string", "minLength": 1, "default": "x", "description": "Whose."},
            "link": {"type": "string", "format": "uri"},
            "day": {"type": "string", "format": "date", "pattern": "^2"},
        },
        "name",
        "link",
        "day",
    )
    properties = strict_schema(schema)["properties"]
    assert properties == {
        "name": {"type": "string", "description": 'Whose. [minLength: 1; default: "x"]'},
        "link": {"type": "string", "description": '[format: "uri"]'},
        "day": {"type": "string", "format": "date", "pattern": "^2"},
    }


@pytest.mark.parametrize("schema", [None, {}, {"type": "object"}, {"properties": {}}])
def test_functions_without_parameters_get_a_closed_empty_object(schema: Any) -> None:
    assert strict_schema(schema) == {
        "type": "object",
        "properties": {},
        "required": [],
        "additionalProperties": False,
    }


@pytest.mark.parametrize(
    "inner",
    [
        {"type": "object", "additionalProperties": {"type": "string"}},
        {"type": "object", "additionalProperties": True},
        {"allOf": [{"type": "string"}]},
        {"oneOf": [{"type": "string"}]},
        {"not": {"type": "null"}},
        {"type": "object", "patternProperties": {"x": {}}},
    ],
)
def test_schemas_without_strict_equivalent_are_unchanged(inner: Any) -> None:
    tool = FunctionTool("f", "", obj({"a": inner}), strict=True)
    other = FunctionTool("g", "", obj({"a": {"type": "string"}}, "a"), strict=True)
    lowered, losses, restorer = fit_strict_tools(request(tool, other), OPENAI, TARGET)
    first, second = lowered.tools
    assert isinstance(first, FunctionTool)
    assert isinstance(second, FunctionTool)
    assert (first.parameters, first.strict) == (tool.parameters, None)
    assert second.strict is True
    assert [loss.field for loss in losses] == ["tools.f.strict"]
    assert "dropped" in losses[0].detail
    assert restorer is not None


def test_other_targets_and_functions_are_unchanged() -> None:
    asked = request(FunctionTool("f", "", obj({"a": {}}), strict=True))
    assert fit_strict_tools(asked, Traits("claude"), TARGET) == (asked, (), None)
    plain = request(FunctionTool("f", "", obj({"a": {}})))
    assert fit_strict_tools(plain, OPENAI, TARGET) == (plain, (), None)
    closed = strict_schema(obj({"a": {"type": "string"}}, "a"))
    lowered, losses, restorer = fit_strict_tools(
        request(FunctionTool("f", "", closed, strict=True)), OPENAI, TARGET
    )
    assert lowered.tools == (FunctionTool("f", "", closed, strict=True),)
    assert (losses, restorer) == ((), None)


def test_strict_is_dropped_with_warning_if_unsupported() -> None:
    asked = request(FunctionTool("f", "", obj({"a": {}}), strict=True))
    target = Target("m", Capabilities(), frozenset(("no_strict",)))
    lowered, losses, restorer = fit_strict_tools(asked, OPENAI, target)
    assert lowered.tools == (FunctionTool("f", "", obj({"a": {}}), strict=None),)
    assert [loss.field for loss in losses] == ["tools.f.strict"]
    assert restorer is None


def test_nulls_are_removed_only_if_not_nullable() -> None:
    schema = obj(
        {
            "a": {"type": "string"},
            "b": {"type": ["string", "null"]},
            "c": {"type": "null"},
            "list": {"type": "array", "items": {"$ref": "#/$defs/day"}},
            "either": {"anyOf": [obj({"x": {"type": "string"}}), obj({"y": {"type": "string"}})]},
        },
        "c",
    ) | {"$defs": {"day": DAY}}
    value = {
        "a": None,
        "b": None,
        "c": None,
        "list": [{"n": None}, {"n": 1}],
        "either": {"y": None},
        "unknown": None,
    }
    assert without_nulls(value, schema, schema) == {
        "b": None,
        "c": None,
        "list": [{}, {"n": 1}],
        "either": {},
        "unknown": None,
    }


def run(schemas: dict[str, Any], *events: Event) -> list[Event]:
    each = NullArgumentPass(schemas)
    found: list[Event] = []
    for event in events:
        found += each.feed(event) if isinstance(event, each.handles) else (event,)
    return [*found, *each.close()]


def test_arguments_of_changed_functions_are_cleaned_and_others_stream() -> None:
    events = run(
        {"f": obj({"a": {"type": "string"}, "b": {"type": "integer"}})},
        ToolCallStart(0, "c0", "f"),
        ToolCallStart(1, "c1", "g"),
        ToolCallDelta(0, '{"a": null, '),
        ToolCallDelta(1, '{"a": null'),
        TextDelta("x"),
        ToolCallDelta(0, '"b": 2}'),
        ToolCallEnd(0),
        ToolCallDelta(1, "}"),
        ToolCallEnd(1),
    )
    assert [e.arguments for e in events if isinstance(e, ToolCallDelta) and e.call == 0] == [
        '{"b":2}'
    ]
    assert [e.arguments for e in events if isinstance(e, ToolCallDelta) and e.call == 1] == [
        '{"a": null',
        "}",
    ]


@pytest.mark.parametrize("text", ["", "{", "nonsense", '{"a": "x"}', "[1]"])
def test_arguments_that_need_no_change_stay_byte_for_byte(text: str) -> None:
    events = run(
        {"f": obj({"a": {"type": "string"}})},
        ToolCallStart(0, "c", "f"),
        ToolCallDelta(0, text),
        ToolCallEnd(0),
    )
    assert "".join(e.arguments for e in events if isinstance(e, ToolCallDelta)) == text


leaves = st.sampled_from([{"type": "string"}, {"type": "integer"}, {"type": ["string", "null"]}])
schemas = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.builds(lambda item: {"type": "array", "items": item}, inner),
        st.builds(
            lambda named, count: obj(named, *list(named)[:count]),
            st.dictionaries(st.sampled_from("abcd"), inner, max_size=3),
            st.integers(0, 3),
        ),
    ),
    max_leaves=8,
)


def closed(schema: Any) -> bool:
    """Return whether every object in a schema is closed, with all its properties required."""
    if isinstance(schema, list):
        return all(closed(each) for each in schema)
    if not isinstance(schema, dict):
        return True
    kinds = schema.get("type", [])
    if kinds == "object" or "object" in kinds:
        if schema["additionalProperties"] is not False:
            return False
        if set(schema["required"]) != set(schema["properties"]):
            return False
        return all(closed(each) for each in schema["properties"].values())
    return closed(schema.get("items")) and closed(schema.get("anyOf"))


@given(st.dictionaries(st.sampled_from("abcd"), schemas, max_size=4))
def test_strict_schemas_are_closed_and_keep_all_arguments(
    properties: dict[str, Any],
) -> None:
    schema = obj(properties)
    assert closed(strict_schema(schema))
    value = {name: json.loads('{"a": 1}') for name in properties}
    assert set(without_nulls(value, schema, schema)) == set(value)
