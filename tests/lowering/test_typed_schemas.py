"""Schemas for servers that want a type on each of them and no references."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antigravity.ir.capabilities import Capabilities, Target
from antigravity.ir.parts import Text
from antigravity.ir.request import Message, Request
from antigravity.ir.tools import FunctionTool
from antigravity.lowering.pipeline import lower
from antigravity.lowering.schema_repair import repair_schema
from antigravity.lowering.typed_schemas import typed_schema
from antigravity.protocols.openai_chat.protocol import OPENAI_CHAT_CLIENT

TEXT = {"type": "string"}


def obj(properties: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, **more}


def is_typed(schema: Any) -> bool:
    """Return whether a schema and all in it have a type or alternatives, and no more than that."""
    if not isinstance(schema, dict) or "$ref" in schema or "allOf" in schema or "oneOf" in schema:
        return False
    if ("type" in schema) == ("anyOf" in schema):
        return False
    inner = [*schema.get("properties", {}).values(), *schema.get("anyOf", ())]
    if "items" in schema:
        inner.append(schema["items"])
    return all(map(is_typed, inner))


@pytest.mark.parametrize(
    ("given_schema", "expected"),
    [
        ({"type": "string", "anyOf": [{"enum": ["a"]}, {"pattern": "x"}]},
         {"anyOf": [{"type": "string", "enum": ["a"]}, {"type": "string", "pattern": "x"}]}),
        ({"oneOf": [TEXT, {"type": "null"}], "description": "A name."},
         {"anyOf": [TEXT, {"type": "null"}], "description": "A name."}),
        ({"enum": ["a", "b"]}, {"type": "string", "enum": ["a", "b"]}),
        ({"const": 3}, {"type": "integer", "const": 3}),
        ({"properties": {"a": {"items": TEXT}}},
         obj({"a": {"type": "array", "items": TEXT}})),
        ({"description": "A task."}, {"type": "string", "description": "A task."}),
        ({"$ref": "#/$defs/C", "type": "object"}, obj({"r": TEXT})),
        ({"allOf": [{"$ref": "#/$defs/C"}, {"if": {"required": ["r"]}, "then": {}},
                    {"if": {"required": ["q"]}, "then": {}}]}, obj({"r": TEXT})),
    ],
)  # fmt: skip
def test_schema_gets_a_type(given_schema: dict[str, Any], expected: dict[str, Any]) -> None:
    root = obj({"p": given_schema}, **{"$defs": {"C": obj({"r": TEXT})}})
    found = typed_schema(root)
    assert found["properties"]["p"] == expected
    assert "$defs" not in found
    assert is_typed(found)


def test_recursive_schema_ends() -> None:
    node = obj({"next": {"$ref": "#/$defs/N"}, "self": {"$ref": "#"}})
    found = typed_schema(obj({"n": {"$ref": "#/$defs/N"}}, **{"$defs": {"N": node}}))
    assert found["properties"]["n"]["properties"]["next"] == {"type": "object"}
    assert is_typed(found)


def test_infinite_schema_is_truncated() -> None:
    definitions = {
        f"d{n}": obj({name: {"$ref": f"#/$defs/d{n + 1}"} for name in "abcd"}) for n in range(30)
    }
    found = typed_schema(obj({"a": {"$ref": "#/$defs/d0"}}, **{"$defs": definitions}))
    assert len(str(found)) < 2_000_000


@pytest.mark.parametrize(
    ("target", "typed"),
    [
        (Target("m", Capabilities(), frozenset({"typed_schemas"})), True),
        (Target("m", Capabilities(fields=("typed_schemas",))), True),
        (Target("m", Capabilities()), False),
    ],
)
def test_schemas_are_typed_if_required(target: Target, typed: bool) -> None:
    tool = FunctionTool("f", parameters=obj({"a": {"description": "A task."}}))
    request = Request("m", (Message("user", (Text("hi"),)),), "other", tools=(tool,))
    (found,) = lower(request, OPENAI_CHAT_CLIENT.traits, target).request.tools
    assert isinstance(found, FunctionTool)
    assert is_typed(found.parameters) is typed


KEYS = ["type", "properties", "items", "anyOf", "oneOf", "allOf", "$ref", "enum", "const"]
JSON = st.recursive(
    st.none() | st.sampled_from(["string", "object", "#", "#/properties/a", "#/$defs/a"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from([*KEYS, "a"]), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from([*KEYS, "$defs"]), JSON))
def test_any_schema_can_be_typed(schema: dict[str, Any]) -> None:
    assert isinstance(typed_schema(repair_schema(schema)), dict)
