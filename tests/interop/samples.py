"""Things to send: tools, schemas, an image, a document."""

from __future__ import annotations

from typing import Any

from tests.interop.sdk_drivers import Media, Tool

PNG = Media(
    "image/png",
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJg"
    "gg==",
)
PDF = Media("application/pdf", "JVBERi0xLjQKJSVFT0YK")
#: How the simulated model says that it has seen them.
SEEN_PNG = "[image image/png 70 bytes]"
SEEN_PDF = "[document application/pdf 15 bytes]"

WEATHER = Tool(
    "get_weather",
    {
        "type": "object",
        "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
        "required": ["city"],
    },
)
TIME = Tool("get_time", {"type": "object", "properties": {"zone": {"type": "string"}}})

#: What real tools look like and what Gemini refuses as it is.
HARD_SCHEMA: dict[str, Any] = {
    "$schema": "http://json-schema.org/draft-07/schema#",
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "place": {"$ref": "#/$defs/place"},
        "unit": {"anyOf": [{"type": "string", "enum": ["C", "F"]}, {"type": "null"}]},
        "kind": {"const": "forecast"},
        "type": {"type": "string", "minLength": 1, "pattern": "^[a-z]+$"},
        "range": {"type": ["integer", "null"], "exclusiveMinimum": 0},
        "tree": {"$ref": "#/$defs/tree"},
    },
    "required": ["place", "kind"],
    "$defs": {
        "place": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
        },
        "tree": {
            "type": "object",
            "properties": {"children": {"type": "array", "items": {"$ref": "#/$defs/tree"}}},
        },
    },
}
HARD = Tool("mcp__weather-station-of-the-meteorological-office__forecast.v2", HARD_SCHEMA)

FORM: dict[str, Any] = {
    "type": "object",
    "properties": {
        "answer": {"type": "string"},
        "sure": {"type": "boolean"},
        "steps": {"type": "array", "items": {"type": "integer"}},
    },
    "required": ["answer", "sure", "steps"],
    "additionalProperties": False,
}
