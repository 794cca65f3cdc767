"""Schemas that clients send and upstreams refuse, and the way back for renamed properties."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from antigravity.ir.capabilities import Capabilities, Target, Traits
from antigravity.ir.events import Event, ToolCallDelta, ToolCallEnd, ToolCallStart
from antigravity.ir.parts import Text, ToolCall
from antigravity.ir.request import Message, Request
from antigravity.ir.tools import FunctionTool
from antigravity.lowering.pipeline import Lowered, lower
from antigravity.lowering.schema_repair import repair_schema
from antigravity.lowering.tool_schemas import object_schema
from antigravity.protocols.anthropic.protocol import ANTHROPIC_CLIENT
from antigravity.protocols.gemini.protocol import GEMINI_CLIENT
from antigravity.protocols.openai_chat.protocol import OPENAI_CHAT_CLIENT
from antigravity.protocols.openai_responses.protocol import TRAITS as RESPONSES

ANTHROPIC, CHAT, GEMINI = ANTHROPIC_CLIENT.traits, OPENAI_CHAT_CLIENT.traits, GEMINI_CLIENT.traits
CLAUDE = Capabilities("claude", property_names="[a-zA-Z0-9_.-]{1,64}")
TEXT = {"type": "string"}


def obj(properties: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, **more}


def lowered(
    schema: dict[str, Any],
    traits: Traits = ANTHROPIC,
    capabilities: Capabilities = CLAUDE,
    *messages: Message,
    strict: bool | None = None,
) -> Lowered:
    tool = FunctionTool("f", parameters=schema, strict=strict)
    asked = (Message("user", (Text("hi"),)), *messages)
    return lower(Request("m", asked, "other", tools=(tool,)), traits, Target("m", capabilities))


def schema_of(found: Lowered) -> dict[str, Any]:
    (tool,) = found.request.tools
    assert isinstance(tool, FunctionTool)
    assert tool.parameters is not None
    return tool.parameters


REQUIRED_EITHER = obj({"a": TEXT, "b": TEXT}, anyOf=[{"required": ["a"]}, {"required": ["b"]}])
TAGGED = {
    "oneOf": [
        obj({"kind": {"const": "a"}, "x": {"type": "integer"}}, required=["kind"]),
        obj({"kind": {"const": "b"}, "x": TEXT, "y": TEXT}, required=["kind", "y"]),
    ]
}
BASED = {
    "$defs": {"Base": obj({"p": TEXT}, required=["p"])},
    "allOf": [{"$ref": "#/$defs/Base"}, {"properties": {"q": TEXT}, "required": ["q"]}],
}


@pytest.mark.parametrize("traits", [ANTHROPIC, CHAT, RESPONSES], ids=["anthropic", "chat", "resp"])
@pytest.mark.parametrize(
    "schema",
    [
        REQUIRED_EITHER,
        TAGGED,
        BASED,
        {"$ref": "#/$defs/T", "$defs": {"T": obj({"a": TEXT})}},
        {"$ref": "#/definitions/T", "definitions": {"T": TAGGED}},
        {"anyOf": [{"$ref": "#/$defs/T"}, {"type": "null"}], "$defs": {"T": obj({"a": TEXT})}},
        {"allOf": [REQUIRED_EITHER, BASED["$defs"]["Base"]]},
        {"properties": {"a": TEXT}},
        {"type": ["object", "null"], "properties": {"a": TEXT}},
        {"type": "object"},
        {"type": None},
        {},
    ],
)
def test_schema_of_function_is_plain_object_at_top(schema: dict[str, Any], traits: Traits) -> None:
    found = schema_of(lowered(schema, traits, Capabilities()))
    assert found["type"] == "object"
    assert isinstance(found["properties"], dict)
    assert traits.top_schema.isdisjoint(found)
    Draft202012Validator.check_schema(found)


@pytest.mark.parametrize("traits", [CHAT, RESPONSES], ids=["chat", "responses"])
@pytest.mark.parametrize("name", ["enum", "not"])
def test_keywords_refused_at_top_move_to_description(name: str, traits: Traits) -> None:
    value: Any = [{"a": "x"}] if name == "enum" else {"required": ["b"]}
    found = lowered(obj({"a": TEXT}, **{name: value}), traits, Capabilities())
    assert name not in schema_of(found)
    assert json.loads(schema_of(found)["description"]) == {name: value}


def test_alternatives_keep_all_properties_and_common_required() -> None:
    found, told = object_schema(TAGGED, ANTHROPIC.top_schema)
    assert found["properties"] == {
        "kind": {"enum": ["a", "b"]},
        "x": {"anyOf": [{"type": "integer"}, TEXT]},
        "y": TEXT,
    }
    assert found["required"] == ["kind"]
    assert told == ("oneOf",)
    assert json.loads(found["description"]) == TAGGED


def test_all_of_is_merged_without_loss() -> None:
    found = lowered(BASED)
    assert set(schema_of(found)["properties"]) == {"p", "q"}
    assert set(schema_of(found)["required"]) == {"p", "q"}
    assert found.losses == ()


def test_alternatives_at_top_are_warned() -> None:
    (loss,) = lowered(REQUIRED_EITHER).losses
    assert loss.field == "tools.f.parameters"
    assert not loss.content


def test_strict_is_dropped_for_claude_with_alternatives_at_top() -> None:
    found = lowered(REQUIRED_EITHER, strict=True)
    (tool,) = found.request.tools
    assert isinstance(tool, FunctionTool)
    assert tool.strict is None
    assert [loss.field for loss in found.losses if loss.content] == ["tools.f.strict"]


def test_gemini_keeps_alternatives() -> None:
    found = schema_of(lowered(TAGGED, GEMINI, Capabilities("gemini", raw_schema=True)))
    assert found == {"type": "object", **TAGGED}


@pytest.mark.parametrize(
    ("schema", "valid"),
    [
        ({"type": "any"}, {}),
        ({"type": "String"}, {"type": "string"}),
        ({"type": ["string", "None"]}, {"type": ["string", "null"]}),
        ({"type": "int", "minimum": "1"}, {"type": "integer", "minimum": 1}),
        ({"type": "array"}, {"type": "array", "items": {}}),
        ({"type": "array", "items": "string"}, {"type": "array", "items": {"type": "string"}}),
        (
            {"type": "array", "items": [TEXT], "additionalItems": {"type": "any"}},
            {"type": "array", "prefixItems": [TEXT], "items": {}},
        ),
        ({"minimum": 0, "exclusiveMinimum": True}, {"exclusiveMinimum": 0}),
        ({"maximum": 9, "exclusiveMaximum": False}, {"maximum": 9}),
        (
            obj({"a": {"type": "string", "required": True}, "b": {"required": False}}),
            obj({"a": TEXT, "b": {}}, required=["a"]),
        ),
        (obj({"a": "string", "b": None}), obj({"a": TEXT, "b": {}})),
        (obj({"a": TEXT}, required=None), obj({"a": TEXT})),
        (obj({}, required=["a", "a", 1]), obj({}, required=["a"])),
        ({"enum": []}, {}),
        ({"enum": ["a", "b", "a"]}, {"enum": ["a", "b"]}),
        ({"anyOf": []}, {}),
        ({"additionalProperties": "false"}, {}),
        ({"minLength": "3"}, {"minLength": 3}),
        ({"description": None, "title": 3, "default": None}, {"default": None}),
        (
            {"type": "object", "patternProperties": {"^(.*)$": TEXT}},
            {"type": "object", "additionalProperties": TEXT},
        ),
        ({"pattern": "(?<year>x)", **TEXT}, {**TEXT, "description": "[pattern: (?<year>x)]"}),
        (
            obj({"a": {"$ref": "#/components/schemas/Pet", "description": "A pet."}}),
            obj({"a": {"description": "A pet. [see Pet]"}}),
        ),
    ],
)
def test_invalid_schema_is_repaired(schema: dict[str, Any], valid: dict[str, Any]) -> None:
    assert repair_schema(schema) == valid
    Draft202012Validator.check_schema(valid)


@pytest.mark.parametrize(
    "schema",
    [
        REQUIRED_EITHER,
        TAGGED,
        BASED,
        obj({"required": TEXT, "type": TEXT, "enum": {"type": "array", "items": TEXT}}),
        obj({"a": {"$ref": "#"}, "b": {"const": None}, "c": {"enum": ["x", None]}}),
        obj({"a": {"$ref": "#/properties/b"}, "b": True}, additionalProperties=False),
        {"patternProperties": {"^x-": TEXT}, "additionalProperties": False},
    ],
)
def test_valid_schema_stays_the_same_object(schema: dict[str, Any]) -> None:
    assert repair_schema(schema) is schema


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 9) | st.sampled_from(["string", "any", "^(.*)$"]),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(
            ["type", "properties", "items", "required", "enum", "anyOf", "allOf", "oneOf", "$ref",
             "pattern", "patternProperties", "minLength", "exclusiveMinimum", "minimum", "not",
             "additionalProperties", "additionalItems", "prefixItems", "description", "default"]
        ),
        inner,
        max_size=4,
    ),
    max_leaves=12,
)  # fmt: skip


@given(st.dictionaries(st.sampled_from(["type", "properties", "items", "anyOf", "$ref"]), JSON))
def test_any_schema_becomes_valid_and_plain(schema: dict[str, Any]) -> None:
    found, _ = object_schema(repair_schema(schema), CHAT.top_schema)
    Draft202012Validator.check_schema(found)
    assert found["type"] == "object"
    assert CHAT.top_schema.isdisjoint(found)
    assert object_schema(repair_schema(found), CHAT.top_schema) == (found, ())


ODD = obj(
    {
        "$top": {"type": "integer"},
        "filter[id]": TEXT,
        "filter_id_": TEXT,
        "a" * 70: TEXT,
        "é": TEXT,
    },
    required=["filter[id]"],
)


def test_property_names_invalid_for_claude_are_renamed_and_restored() -> None:
    call = ToolCall("c", "f", '{"$top":1,"filter_id_":"x"}')
    found = lowered(ODD, ANTHROPIC, CLAUDE, Message("assistant", (call,)))
    schema = schema_of(found)
    names = list(schema["properties"])
    assert len(set(names)) == 5
    assert all(len(name) <= 64 and name.isascii() and "[" not in name for name in names)
    assert schema["required"] == [names[1]]
    (sent,) = (p for m in found.request.messages for p in m.parts if isinstance(p, ToolCall))
    assert json.loads(sent.arguments) == {names[0]: 1, "filter_id_": "x"}
    said = json.dumps({names[0]: 2, names[1]: "y", names[3]: {"$top": 1}})
    events: list[Event] = [
        ToolCallStart(0, "c", "f"),
        ToolCallDelta(0, said[:9]),
        ToolCallDelta(0, said[9:]),
        ToolCallEnd(0),
    ]
    out = [*found.pipeline.feed(events), *found.pipeline.close()]
    text = "".join(event.arguments for event in out if isinstance(event, ToolCallDelta))
    assert json.loads(text) == {"$top": 2, "filter[id]": "y", "a" * 70: {"$top": 1}}


def test_property_names_are_unchanged_for_other_models() -> None:
    assert schema_of(lowered(ODD, CHAT, Capabilities()))["properties"] == ODD["properties"]


def test_valid_property_names_need_no_restorer() -> None:
    assert lowered(obj({"a.b-c_1": TEXT})).pipeline.empty


def test_many_referenced_alternatives_are_kept() -> None:
    count = 2000
    definitions = {f"d{n}": obj({f"p{n}": TEXT}) for n in range(count)}
    schema = {"$defs": definitions, "anyOf": [{"$ref": f"#/$defs/d{n}"} for n in range(count)]}
    found, _ = object_schema(schema, ANTHROPIC.top_schema)
    assert len(found["properties"]) == count
    assert found["description"] == "anyOf"  # the rest would be too long to tell
