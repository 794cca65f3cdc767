"""Schemas of structured output become what the API takes; nothing else of them changes."""

from __future__ import annotations

from antigravity.protocols.anthropic.client_schema import fit_schema


def test_objects_are_closed_wherever_they_stand() -> None:
    inner = {"type": "object", "properties": {"additionalProperties": {"type": "string"}}}
    closed = {**inner, "additionalProperties": False}
    schema = {
        "type": ["object", "null"],
        "properties": {"a": {"type": "array", "items": inner}, "b": {"$ref": "#/$defs/d"}},
        "$defs": {"d": {"anyOf": [inner, {"type": "null"}]}},
        "required": ["a"],
    }
    fitted, lost = fit_schema(schema)
    assert fitted == {
        "type": ["object", "null"],
        "properties": {"a": {"type": "array", "items": closed}, "b": {"$ref": "#/$defs/d"}},
        "$defs": {"d": {"anyOf": [closed, {"type": "null"}]}},
        "required": ["a"],
        "additionalProperties": False,
    }
    assert not lost
    assert fit_schema(fitted) == (fitted, frozenset())


def test_limits_are_added_to_the_description() -> None:
    schema = {
        "type": "object",
        "properties": {
            "minimum": {"type": "integer", "minimum": 1, "maximum": 9, "description": "How many."},
            "names": {"type": "array", "minItems": 1, "maxItems": 2, "items": {"type": "string"}},
        },
        "additionalProperties": {"type": "string"},
    }
    fitted, lost = fit_schema(schema)
    assert fitted["properties"] == {
        "minimum": {"type": "integer", "description": "How many. [minimum: 1; maximum: 9]"},
        "names": {
            "type": "array",
            "minItems": 1,
            "items": {"type": "string"},
            "description": "[maxItems: 2]",
        },
    }
    assert lost == {"minimum", "maximum", "maxItems", "additionalProperties"}


def test_one_of_becomes_any_of_and_values_are_unchanged() -> None:
    choice = {"oneOf": [{"type": "string"}, {"const": {"type": "object"}}]}
    fitted, lost = fit_schema({"type": "object", "properties": {"x": choice}})
    assert fitted["properties"]["x"] == {"anyOf": choice["oneOf"]}
    assert not lost
