"""The schema cleaner: total, bounded, idempotent; it never takes a property for a keyword."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antigravity.protocols.gemini.json_schema.allow_list import ALLOWED
from antigravity.protocols.gemini.json_schema.clean import clean, clean_parameters
from antigravity.protocols.gemini_schemas import from_gemini, lower_types
from tests.protocols.gemini.builders import patient

KEYWORDS = [
    "type", "description", "properties", "required", "items", "enum", "title", "nullable", "$ref",
    "$defs", "definitions", "anyOf", "oneOf", "allOf", "not", "if", "then", "else", "const",
    "format", "minLength", "pattern", "minimum", "exclusiveMinimum", "additionalProperties",
    "prefixItems", "default", "examples", "$schema", "propertyNames", "uniqueItems",
]  # fmt: skip
TYPES = ["string", "number", "integer", "boolean", "array", "object", "null", "STRING", "any"]
REFS = ["#", "#/$defs/a", "#/$defs/b", "#/definitions/a", "#/properties/type", "#/nope", "a"]

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-9, 9)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5)
    | st.sampled_from(TYPES + REFS),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(KEYWORDS) | st.text(max_size=4), inner, max_size=5)
    ),
    max_leaves=30,
)


def schemas(depth: int = 2) -> st.SearchStrategy[Any]:
    """Return schemas that look like schemas, combinators and references included."""
    if depth == 0:
        return st.fixed_dictionaries({"type": st.sampled_from(TYPES)}) | st.booleans()
    inner = schemas(depth - 1)
    names = st.sampled_from(["type", "enum", "title", "a", "b", "required", "$ref"])
    maps = st.dictionaries(names, inner, max_size=3)
    return st.fixed_dictionaries(
        {},
        optional={
            "type": st.sampled_from(TYPES) | st.lists(st.sampled_from(TYPES), max_size=3),
            "properties": maps,
            "required": st.lists(names, max_size=3) | st.just(True),
            "items": inner | st.lists(inner, max_size=2),
            "enum": st.lists(st.none() | st.integers(0, 3) | st.text(max_size=2), max_size=3),
            "const": st.integers(0, 2) | st.text(max_size=2) | st.none(),
            "anyOf": st.lists(inner, max_size=3),
            "oneOf": st.lists(inner, max_size=3),
            "allOf": st.lists(inner, max_size=3),
            "if": inner,
            "then": inner,
            "$ref": st.sampled_from(REFS),
            "$defs": maps,
            "minLength": st.integers(0, 3),
            "description": st.text(max_size=4),
            "additionalProperties": inner,
            "nullable": st.booleans(),
        },
    )


def check_clean(schema: Any) -> None:
    """Assert that a schema has allowed keywords only, everywhere, and rightly used."""
    assert isinstance(schema, dict)
    assert schema.keys() <= set(ALLOWED)
    assert schema["type"] in ("string", "number", "integer", "boolean", "array", "object")
    assert isinstance(schema.get("description", ""), str)
    assert schema.get("nullable", True) is True
    assert ("items" in schema) == (schema["type"] == "array")
    assert ("properties" in schema) == (schema["type"] == "object")
    for child in schema.get("properties", {}).values():
        check_clean(child)
    if "items" in schema:
        check_clean(schema["items"])
    if "required" in schema:
        assert schema["required"]
        assert set(schema["required"]) <= schema["properties"].keys()
        assert len(set(schema["required"])) == len(schema["required"])
    if "enum" in schema:
        assert schema["type"] == "string"
        assert schema["enum"]
        assert all(isinstance(value, str) and value for value in schema["enum"])


@patient
@given(json_values)
def test_any_json_gives_a_clean_schema(value: Any) -> None:
    check_clean(clean(value).schema)


@patient
@given(schemas() | json_values)
def test_cleaning_twice_changes_nothing(schema: Any) -> None:
    once = clean(schema).schema
    check_clean(once)
    assert clean(once).schema == once
    assert not clean(once).dropped


@patient
@given(schemas() | json_values)
def test_parameters_are_always_an_object(schema: Any) -> None:
    once = clean_parameters(schema).schema
    assert once["type"] == "object"
    check_clean(once)
    assert clean_parameters(once).schema == once


@patient
@given(st.dictionaries(st.sampled_from(KEYWORDS) | st.text(max_size=6), schemas(1), max_size=8))
def test_property_names_are_unchanged(properties: dict[str, Any]) -> None:
    cleaned = clean({"type": "object", "properties": properties}).schema
    kept = [name for name, schema in properties.items() if schema is not False]
    assert list(cleaned["properties"]) == kept


@patient
@given(schemas())
def test_cleaning_does_not_change_the_input(schema: Any) -> None:
    before = repr(schema)
    clean(schema)
    assert repr(schema) == before


def test_properties_named_like_keywords_are_no_keywords() -> None:
    schema = {
        "type": "object",
        "properties": {
            "type": {"type": "string", "minLength": 2},
            "enum": {"type": "array", "items": {"type": "string"}},
            "$ref": {"type": "string"},
            "required": {"type": "boolean"},
            "properties": {"type": "object", "properties": {"title": {"const": "x"}}},
        },
        "required": ["type", "gone"],
    }
    cleaned = clean(schema).schema
    assert list(cleaned["properties"]) == ["type", "enum", "$ref", "required", "properties"]
    assert cleaned["properties"]["type"]["description"] == "[Constraint: minLength: 2]"
    assert cleaned["properties"]["properties"]["properties"]["title"]["enum"] == ["x"]
    assert cleaned["required"] == ["type"]


def test_references_are_resolved_with_their_sibling_keywords() -> None:
    schema = {
        "type": "object",
        "properties": {
            "a": {"$ref": "#/$defs/sub/properties/b~1c", "description": "mine"},
            "d": {"$ref": "#/definitions/Kind"},
        },
        "$defs": {"sub": {"properties": {"b/c": {"type": "integer", "description": "theirs"}}}},
        "definitions": {"Kind": {"enum": [1, 2.5, True, "x", None]}},
    }
    properties = clean(schema).schema["properties"]
    assert properties["a"] == {"type": "integer", "description": "mine"}
    assert properties["d"] == {
        "type": "string",
        "nullable": True,
        "enum": ["1", "2.5", "true", "x"],
    }


def test_a_pasted_schema_finds_its_own_definitions() -> None:
    inner = {"$defs": {"X": {"type": "number"}}, "properties": {"x": {"$ref": "#/$defs/X"}}}
    cleaned = clean({"type": "object", "properties": {"inner": inner}}).schema
    assert cleaned["properties"]["inner"]["properties"]["x"]["type"] == "number"


def test_cycles_are_cut() -> None:
    node = {"type": "object", "properties": {"next": {"$ref": "#/$defs/Node"}}}
    cleaned = clean({"$ref": "#/$defs/Node", "$defs": {"Node": node}}).schema
    inner = cleaned["properties"]["next"]
    assert inner == {"type": "object", "description": "(recursive: Node)", "properties": {}}
    assert clean({"$ref": "#"}).schema["type"] == "object"
    assert clean({"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/a"}}}).schema


def test_a_fan_of_references_stays_small_and_quick() -> None:
    levels: dict[str, Any] = {
        f"l{n}": {
            "type": "object",
            "properties": {f"p{i}": {"$ref": f"#/$defs/l{n + 1}"} for i in range(8)},
        }
        for n in range(20)
    }
    began = time.monotonic()
    cleaned = clean({"$ref": "#/$defs/l0", "$defs": levels}).schema
    assert time.monotonic() - began < 30
    assert len(repr(cleaned)) < 3_000_000
    branches = {f"a{n}": {"allOf": [{"$ref": f"#/$defs/a{n + 1}"}] * 8} for n in range(30)}
    began = time.monotonic()
    clean({"$ref": "#/$defs/a0", "$defs": branches})
    unions = {f"u{n}": {"anyOf": [{"$ref": f"#/$defs/u{n + 1}"}] * 8} for n in range(30)}
    clean({"$ref": "#/$defs/u0", "$defs": unions})
    assert time.monotonic() - began < 30


def test_deep_schemas_are_cut() -> None:
    schema: Any = {"type": "string"}
    for _ in range(300):
        schema = {"type": "object", "properties": {"x": schema}}
    check_clean(clean(schema).schema)
    nested: Any = {"type": "string"}
    for _ in range(300):
        nested = {"allOf": [nested]}
    check_clean(clean(nested).schema)


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"anyOf": [{"const": "a"}, {"const": "b"}]}, {"type": "string", "enum": ["a", "b"]}),
        (
            {"anyOf": [{"type": "string"}, {"type": "null"}], "description": "d"},
            {"type": "string", "description": "d", "nullable": True},
        ),
        (
            {"oneOf": [{"type": "string"}, {"type": "object", "properties": {"a": {}}}]},
            {
                "type": "object",
                "description": "Accepts: string | object",
                "properties": {"a": {"type": "string", "description": "Any JSON value."}},
            },
        ),
        ({"const": 3}, {"type": "string", "enum": ["3"]}),
        ({"type": ["integer", "null"]}, {"type": "integer", "nullable": True}),
        (
            {"type": ["string", "number"]},
            {"type": "string", "description": "Accepts: string | number"},
        ),
        (
            {"type": "integer", "exclusiveMinimum": 0, "maximum": 9},
            {"type": "integer", "description": "[Constraint: maximum: 9, exclusiveMinimum: 0]"},
        ),
        (
            {"city": {"type": "string", "required": True}, "type": {"type": "integer"}},
            {
                "type": "object",
                "properties": {"city": {"type": "string"}, "type": {"type": "integer"}},
                "required": ["city"],
            },
        ),
        (
            {"type": "array"},
            {"type": "array", "items": {"type": "string", "description": "Any JSON value."}},
        ),
        (
            {"type": "object", "items": {"type": "number"}},
            {"type": "array", "items": {"type": "number"}},
        ),
        (
            {
                "properties": {"a": {"type": "string"}, "no": False, "yes": True},
                "required": ["a", "no"],
                "anyOf": [{"required": ["a"]}, {"required": ["yes"]}],
            },
            {
                "type": "object",
                "properties": {
                    "a": {"type": "string"},
                    "yes": {"type": "string", "description": "Any JSON value."},
                },
                "required": ["a"],
            },
        ),
        (
            {
                "allOf": [
                    {"properties": {"a": {"type": "string"}}, "required": ["a"]},
                    {"properties": {"a": {"type": "integer"}, "b": {}}, "required": ["b"]},
                ],
                "if": {"properties": {"c": {"type": "number"}}, "required": ["c"]},
                "then": {"properties": {"d": {"type": "boolean"}}, "required": ["d"]},
            },
            {
                "type": "object",
                "properties": {
                    "a": {"type": "string"},
                    "b": {"type": "string", "description": "Any JSON value."},
                    "d": {"type": "boolean"},
                    "c": {"type": "number"},
                },
                "required": ["a", "b"],
            },
        ),
        (
            {"type": "object", "additionalProperties": {"type": "number"}},
            {
                "type": "object",
                "description": "[Constraint: any keys, each value: number]",
                "properties": {},
            },
        ),
    ],
)
def test_each_keyword_is_kept_converted_or_dropped(schema: Any, expected: Any) -> None:
    assert clean(schema).schema == expected


def test_dropped_keywords_are_reported() -> None:
    schema = {"type": "object", "$schema": "x", "propertyNames": {}, "default": 1, "not": {}}
    assert clean(schema).dropped == {"propertyNames", "default", "not"}


def test_gemini_schemas_become_json_schemas() -> None:
    schema = {
        "type": "OBJECT",
        "properties": {
            "type": {"type": "STRING", "nullable": True, "enum": ["A"]},
            "any_of": {"any_of": [{"type": 1}, {"type": "NUMBER"}], "nullable": True},
            "n": {"type": "ARRAY", "min_items": "2", "items": {"type": 3}},
            "u": {"type": "TYPE_UNSPECIFIED", "example": 4},
        },
        "propertyOrdering": ["n", "type"],
    }
    plain = from_gemini(schema)
    assert plain == {
        "type": "object",
        "properties": {
            "n": {"type": "array", "minItems": 2, "items": {"type": "integer"}},
            "type": {"type": ["string", "null"], "enum": ["A", None]},
            "any_of": {"anyOf": [{"type": "string"}, {"type": "number"}, {"type": "null"}]},
            "u": {"examples": [4]},
        },
    }
    assert list(plain["properties"]) == ["n", "type", "any_of", "u"]


@patient
@given(json_values)
def test_translation_never_fails(value: Any) -> None:
    if isinstance(value, dict):
        from_gemini(value)
        lower_types(value)


def test_lower_types_changes_only_types() -> None:
    schema = {
        "type": "OBJECT",
        "properties": {"any_of": {"type": "STRING", "default": {"type": "STRING"}}},
    }
    assert lower_types(schema) == {
        "type": "object",
        "properties": {"any_of": {"type": "string", "default": {"type": "STRING"}}},
    }
