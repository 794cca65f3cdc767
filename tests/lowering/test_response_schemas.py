"""Schemas of answers that OpenAI refuses: they are wrapped in an object, and answers unwrapped."""

from __future__ import annotations

import json
from typing import Any

import pytest

from antigravity.ir.capabilities import Capabilities, Target
from antigravity.ir.events import Event, Finish, TextDelta, ThinkingDelta
from antigravity.ir.parts import Text
from antigravity.ir.request import Message, Request, ResponseFormat
from antigravity.lowering.pipeline import Lowered, lower
from antigravity.protocols.anthropic.protocol import ANTHROPIC_CLIENT
from antigravity.protocols.openai_chat.protocol import OPENAI_CHAT_CLIENT
from antigravity.protocols.openai_responses.protocol import TRAITS as RESPONSES

CHAT, ANTHROPIC = OPENAI_CHAT_CLIENT.traits, ANTHROPIC_CLIENT.traits
LIST = {"type": "array", "items": {"$ref": "#/$defs/A"}, "$defs": {"A": {"type": "string"}}}
OBJECT = {"type": "object", "properties": {"a": {"type": "string"}}}


def lowered(schema: dict[str, Any], traits: Any, target: Target, strict: Any = None) -> Lowered:
    form = ResponseFormat("schema", schema=schema, strict=strict)
    request = Request("m", (Message("user", (Text("hi"),)),), "gemini", response_format=form)
    return lower(request, traits, target)


OPENAI = Target("m", Capabilities("openai"))


@pytest.mark.parametrize("traits", [CHAT, RESPONSES], ids=["chat", "responses"])
@pytest.mark.parametrize(
    "schema",
    [
        LIST,
        {"type": "string", "enum": ["a", "b"]},
        {"anyOf": [OBJECT, {"type": "null"}]},
        {**OBJECT, "oneOf": [{"required": ["a"]}]},
        {"$ref": "#/$defs/T", "$defs": {"T": OBJECT}},
    ],
)
def test_non_object_schema_is_wrapped_for_openai(schema: dict[str, Any], traits: Any) -> None:
    found = lowered(schema, traits, OPENAI).request.response_format.schema
    assert found is not None
    assert found["type"] == "object"
    assert found["required"] == ["value"]
    inner = {name: value for name, value in schema.items() if name != "$defs"}
    assert found["properties"]["value"] == inner
    assert found.get("$defs") == schema.get("$defs")


def test_wrapper_of_strict_schema_is_closed() -> None:
    found = lowered(LIST, CHAT, OPENAI, strict=True).request.response_format.schema
    assert found is not None
    assert found["additionalProperties"] is False


@pytest.mark.parametrize(
    ("schema", "traits", "target"),
    [
        (OBJECT, CHAT, OPENAI),
        (LIST, CHAT, Target("m", Capabilities())),
        (LIST, CHAT, Target("m", Capabilities("openai"), frozenset({"no_object_schemas"}))),
        (LIST, ANTHROPIC, Target("m", Capabilities("claude"))),
    ],
    ids=["object", "another server", "quirk", "anthropic"],
)
def test_supported_schema_is_unchanged(schema: dict[str, Any], traits: Any, target: Target) -> None:
    found = lowered(schema, traits, target)
    assert found.request.response_format.schema == schema
    assert found.pipeline.empty


def test_custom_upstreams_can_require_objects() -> None:
    target = Target("m", Capabilities(), frozenset({"object_schemas"}))
    assert lowered(LIST, CHAT, target).request.response_format.schema != LIST


def answer(*events: Event) -> list[Event]:
    pipeline = lowered(LIST, CHAT, OPENAI).pipeline
    return [*pipeline.feed(events), *pipeline.close()]


def test_response_is_unwrapped_for_each_choice() -> None:
    text = json.dumps({"value": ["x", "y"]})
    events = answer(
        ThinkingDelta("hm"),
        TextDelta(text[:7]),
        TextDelta('{"value":"z"}', 1),
        TextDelta(text[7:]),
        Finish("stop"),
        Finish("stop", choice=1),
    )
    assert events == [
        ThinkingDelta("hm"),
        TextDelta('["x", "y"]'),
        Finish("stop"),
        TextDelta('"z"', 1),
        Finish("stop", choice=1),
    ]


@pytest.mark.parametrize("text", ['{"value": ["x"', "I cannot.", "[]", '{"other": 1}'])
def test_response_without_wrapper_is_unchanged(text: str) -> None:
    assert answer(TextDelta(text), Finish("length")) == [TextDelta(text), Finish("length")]
