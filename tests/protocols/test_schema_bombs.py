"""Schemas that refer to each other, or to themselves, cost a bounded amount of work.

Nothing is timed: without its bound, each of these tests would take hours.
"""

from __future__ import annotations

from typing import Any

import pytest

from antigravity.protocols.anthropic.client_schema import is_fit
from antigravity.protocols.gemini.json_schema import clean as cleaning
from antigravity.protocols.gemini.json_schema.clean import Budget, clean, clean_parameters
from antigravity.protocols.gemini.json_schema.fold import merge
from antigravity.protocols.gemini.json_schema.repair import Repair


def fan(levels: int) -> dict[str, Any]:
    """Return a schema of which each level refers to the next one twice."""
    found: dict[str, Any] = {"d0": {"type": "object", "properties": {"x": {"type": "string"}}}}
    for level in range(1, levels):
        below = {"$ref": f"#/$defs/d{level - 1}"}
        found[f"d{level}"] = {"type": "object", "properties": {"a": below, "b": below}}
    last = {"$ref": f"#/$defs/d{levels - 1}"}
    return {"type": "object", "properties": {"r": last}, "$defs": found}


def size(schema: Any) -> int:
    if isinstance(schema, dict):
        return 1 + sum(map(size, schema.values()))
    return sum(map(size, schema)) if isinstance(schema, list) else 0


def test_anthropic_looks_at_each_definition_once() -> None:
    assert is_fit(fan(40))
    unfit = fan(40)
    unfit["$defs"]["d0"]["not"] = {}
    assert not is_fit(unfit)
    assert not is_fit({"$ref": "#/$defs/a", "$defs": {"a": {"items": {"$ref": "#/$defs/a"}}}})


def test_gemini_writes_out_a_bounded_number_of_nodes_for_all_tools_together(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    alone = size(clean_parameters(fan(20)).schema)
    monkeypatch.setattr(cleaning, "_MAX_NODES_IN_ALL", 2 * cleaning._MAX_NODES)
    budget = Budget()
    total = sum(size(clean_parameters(fan(20), budget).schema) for _ in range(20))
    assert alone < total < 3 * alone
    assert budget.nodes == 0
    later = clean_parameters({"type": "object", "properties": {"a": {"type": "string"}}}, budget)
    assert later.schema["type"] == "object"


def test_gemini_schemas_of_fifty_tools_are_not_shortened() -> None:
    schema = {
        "type": "object",
        "properties": {f"p{n}": {"type": "string", "minLength": n} for n in range(40)},
        "required": [f"p{n}" for n in range(40)],
    }
    budget = Budget()
    for _ in range(50):
        assert clean_parameters(schema, budget) == clean_parameters(schema)


def test_gemini_merges_bounded_number_of_schema_branches() -> None:
    wide = {f"p{n}": {"type": "string"} for n in range(10_000)}
    branches = [{"properties": {f"q{n}": {"type": "string"}}} for n in range(10_000)]
    found = clean({"type": "object", "properties": wide, "allOf": branches}).schema
    assert cleaning._MAX_NODES <= len(found["properties"]) < len(wide) + len(branches)


def test_long_lists_of_names_are_merged_by_look_up() -> None:
    first = {"required": [f"a{n}" for n in range(50_000)], "enum": [f"v{n}" for n in range(50_000)]}
    second = {"required": [f"a{n}" for n in range(40_000, 90_000)], "enum": first["enum"][::-1]}
    merged = merge(first, second)
    assert merged["required"] == [f"a{n}" for n in range(90_000)]
    assert merged["enum"] == first["enum"]
    assert merge({"enum": [1, "a", None]}, {"enum": [None, "a"]})["enum"] == ["a", None]


def test_gemini_repairs_arguments_by_a_schema_that_refers_to_itself_many_times() -> None:
    again = [{"$ref": "#"}] * 8
    schema = {
        "anyOf": again,
        "allOf": again,
        "oneOf": again,
        "properties": {"n": {"type": "integer"}},
    }
    arguments = {"n": "1", **{f"unknown{n}": "2" for n in range(100)}}
    assert Repair(schema).arguments(arguments) == {**arguments, "n": 1}
