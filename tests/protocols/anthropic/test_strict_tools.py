"""Strict tools keep the rules of the API, or are not strict and say so."""

from __future__ import annotations

import json
from typing import Any

import pytest
from msgspec.structs import replace

from antigravity.ir.capabilities import Capabilities, Target
from antigravity.ir.parts import Text
from antigravity.ir.request import Message, Request
from antigravity.ir.tools import FunctionTool
from antigravity.protocols.anthropic.client_request import encode_request
from antigravity.protocols.anthropic.client_schema import fit_schema, is_fit

NEW = Target("claude-sonnet-5", Capabilities("claude", structured_output=True))
OLD = Target("claude-sonnet-4", Capabilities("claude", structured_output=False))


def tools(target: Target, *schemas: dict[str, Any]) -> tuple[list[dict[str, Any]], list[str]]:
    """Return the declarations of strict functions with these schemas, and what was lost."""
    named = tuple(
        FunctionTool(f"f{place}", "", schema, strict=True) for place, schema in enumerate(schemas)
    )
    asked = Request("m", (Message("user", (Text("hi"),)),), "openai_chat", tools=named)
    encoded = encode_request(asked, replace(target, quirks=frozenset({"no_cache_control"})))
    return json.loads(encoded.body)["tools"], [
        f"{loss.field}: {loss.detail}" for loss in encoded.warnings
    ]


def obj(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties)}


def test_limits_are_added_to_the_description_and_objects_are_closed() -> None:
    (tool,), lost = tools(NEW, obj(n={"type": "integer", "minimum": 1}))
    assert tool["strict"] is True
    assert tool["input_schema"]["additionalProperties"] is False
    assert tool["input_schema"]["properties"]["n"] == {
        "type": "integer",
        "description": "[minimum: 1]",
    }
    assert lost == ["tools.f0.strict: schema keywords that are not enforced: minimum"]


def test_models_without_strict_tools_get_plain_ones() -> None:
    schema = obj(n={"type": "integer", "minimum": 1})
    (tool,), lost = tools(OLD, schema)
    assert tool == {"name": "f0", "input_schema": schema}
    assert lost == ["tools.f0.strict: dropped: the model does not support strict tools"]


@pytest.mark.parametrize(
    "inner",
    [
        {"type": "object", "additionalProperties": {"type": "string"}},
        {"type": "object", "patternProperties": {"^x": {}}},
        {"$ref": "https://example.com/schema"},
        {"$ref": "#/properties/a"},
        {"not": {"type": "string"}},
    ],
)
def test_schemas_unsuitable_for_a_grammar_are_unchanged(inner: Any) -> None:
    schema = obj(a=inner)
    (tool,), lost = tools(NEW, schema)
    assert tool == {"name": "f0", "input_schema": schema}
    assert lost == [
        "tools.f0.strict: dropped: its schema uses keywords that strict tools do not allow"
    ]


def test_schema_that_refers_to_itself_is_not_fit() -> None:
    node = obj(next={"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]})
    assert not is_fit({**obj(a={"$ref": "#/$defs/node"}), "$defs": {"node": node}})
    leaf = obj(x={"type": "string"})
    assert is_fit(
        {**obj(a={"$ref": "#/$defs/leaf"}, b={"$ref": "#/$defs/leaf"}), "$defs": {"leaf": leaf}}
    )


def test_strict_tools_are_limited_per_request() -> None:
    declared, lost = tools(NEW, *(obj() for _ in range(22)))
    assert [tool.get("strict") for tool in declared] == [True] * 20 + [None] * 2
    assert len(lost) == 2
    loose = {"type": "object", "properties": {name: {"type": "string"} for name in "abcdefghij"}}
    declared, _ = tools(NEW, loose, loose, loose)
    assert [tool.get("strict") for tool in declared] == [True, True, None]
    union = obj(**{name: {"type": ["string", "null"]} for name in "abcdefghi"})
    declared, _ = tools(NEW, union, union)
    assert [tool.get("strict") for tool in declared] == [True, None]


def test_refused_formats_and_patterns_are_added_to_the_description() -> None:
    fitted, lost = fit_schema(
        obj(
            day={"type": "string", "format": "date"},
            path={"type": "string", "format": "uri-template"},
            code={"type": "string", "pattern": "^[a-z]+$"},
            hard={"type": "string", "pattern": "(?=x)y"},
        )
    )
    properties = fitted["properties"]
    assert properties["day"] == {"type": "string", "format": "date"}
    assert properties["code"] == {"type": "string", "pattern": "^[a-z]+$"}
    assert properties["path"] == {"type": "string", "description": '[format: "uri-template"]'}
    assert properties["hard"] == {"type": "string", "description": '[pattern: "(?=x)y"]'}
    assert lost == {"format", "pattern"}
