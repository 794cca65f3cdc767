"""What one request may hold is counted in its bytes, whatever they are."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antigravity.ir.errors import InvalidRequestError, RequestTooLargeError
from antigravity.protocols import request_limits
from antigravity.protocols.request_limits import (
    RequestLimits,
    check_request,
    count_values,
    is_larger,
    most_values,
    rough_count,
    rough_schema_cost,
)

LIMITS = RequestLimits(
    max_values=1000,
    max_messages=10,
    max_parts=20,
    max_tools=5,
    max_schema_values=100,
    max_other_values=200,
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text('a,{}[]":\\é\n'),
    lambda inner: st.lists(inner) | st.dictionaries(st.text('a,{}[]":\\'), inner),
    max_leaves=50,
)
FUNCTION = {"name": "f", "parameters": {"type": "object"}}
NESTED: dict[str, Any] = {"type": "object", "properties": {str(n): {} for n in range(200)}}
MESSAGE = {"role": "user", "content": "x"}
PARTS = [{"type": "text", "text": "x"}] * 21

TOO_MANY: dict[str, tuple[dict[str, Any], str, str]] = {
    "messages": ({"messages": [MESSAGE] * 11}, "messages", "too_many_messages"),
    "contents": ({"contents": [{"text": "x"}] * 11}, "contents", "too_many_messages"),
    "responses": ({"input": [MESSAGE] * 11}, "input", "too_many_items"),
    "prompts": ({"prompt": ["x"] * 11}, "prompt", "too_many_items"),
    "embeddings": ({"input": ["x"] * 11}, "input", "too_many_items"),
    "batch": ({"requests": [{"content": {}}] * 11}, "requests", "too_many_items"),
    "parts": (
        {"messages": [{"role": "user", "content": PARTS}]},
        "messages",
        "too_many_parts",
    ),
    "parts of Gemini": ({"contents": [{"parts": PARTS}]}, "contents", "too_many_parts"),
    "parts of several": (
        {"messages": [{"role": "user", "content": PARTS[:7]}] * 3},
        "messages",
        "too_many_parts",
    ),
    "tools": ({"tools": [FUNCTION] * 6}, "tools", "too_many_tools"),
    "functions": ({"functions": [FUNCTION] * 6}, "functions", "too_many_tools"),
    "declarations": (
        {"tools": [{"functionDeclarations": [FUNCTION] * 3}] * 2},
        "tools",
        "too_many_tools",
    ),
    "namespaces": (
        {"tools": [{"type": "namespace", "tools": [FUNCTION] * 6}]},
        "tools",
        "too_many_tools",
    ),
    "schema of a tool": (
        {"tools": [{"name": "f", "input_schema": NESTED}]},
        "tools",
        "too_many_schema_nodes",
    ),
    "schema of chat": (
        {"response_format": {"json_schema": {"schema": NESTED}}},
        "response_format",
        "too_many_schema_nodes",
    ),
    "schema of responses": (
        {"text": {"format": {"schema": NESTED}}},
        "text",
        "too_many_schema_nodes",
    ),
    "schema of Gemini": (
        {"generationConfig": {"responseSchema": NESTED}},
        "generationConfig",
        "too_many_schema_nodes",
    ),
    "schema of Anthropic": (
        {"output_config": {"format": {"schema": NESTED}}},
        "output_config",
        "too_many_schema_nodes",
    ),
    "metadata": ({"metadata": NESTED}, "metadata", "too_many_values"),
    "stop": ({"stop": ["s"] * 201}, "stop", "too_many_values"),
    "unknown members": (
        {f"member{n}": n for n in range(201)},
        "other members",
        "too_many_values",
    ),
    "counted": (
        {"generateContentRequest": {"contents": [{"text": "x"}] * 11}},
        "contents",
        "too_many_messages",
    ),
}


def values_in(value: object) -> tuple[int, int]:
    """Return how many values there are, and how many of them are empty containers."""
    inner = list(value.values()) if isinstance(value, dict) else value
    if not isinstance(inner, list):
        return 1, 0
    counts = [values_in(one) for one in inner]
    return 1 + sum(c for c, _ in counts), (not inner) + sum(e for _, e in counts)


@given(JSON, st.sampled_from([1, 2, 3, 7, 100]), st.booleans())
def test_all_values_are_counted_wherever_the_bytes_are_sliced(
    value: object, size: int, escaped: bool
) -> None:
    data = json.dumps(value, ensure_ascii=escaped).encode()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(request_limits, "_SLICE", size)
        found = count_values(data, 10**9)
    values, empty = values_in(value)
    # Both of an array and its first item are counted by the bracket.
    assert values <= found <= values + empty
    assert is_larger(data, found - 1) or found == 1
    assert most_values(data) >= found


def test_counting_stops_beyond_the_limit() -> None:
    data = b"[" + b"1," * 10_000_000 + b"1]"
    assert 100 < count_values(data, 100) < 1_000_000


@pytest.mark.parametrize("kind", TOO_MANY)
def test_request_with_too_many_is_refused_naming_the_field_and_the_setting(kind: str) -> None:
    body, param, code = TOO_MANY[kind]
    with pytest.raises(InvalidRequestError, match=r"raise max_\w+ in the \[limits\]") as got:
        check_request(json.dumps({"model": "m", **body}).encode(), LIMITS)
    assert (got.value.param, got.value.code, got.value.status) == (param, code, 400)


def test_request_with_too_many_values_is_refused_naming_the_longest_member() -> None:
    body = {"model": "m", "metadata": {str(n): "x" for n in range(1001)}, "messages": [MESSAGE]}
    with pytest.raises(RequestTooLargeError, match="max_values") as got:
        check_request(json.dumps(body).encode(), LIMITS)
    assert (got.value.param, got.value.code, got.value.status) == (
        "metadata",
        "too_many_values",
        413,
    )


@pytest.mark.parametrize(
    "body",
    [
        {"messages": [MESSAGE] * 10},
        {"messages": [{"role": "user", "content": PARTS[:20]}]},
        {"messages": [{"role": "user", "content": "[{," * 10_000}]},
        {"messages": [{"role": "user", "content": '\\",' * 10_000}]},
        {"tools": [FUNCTION] * 5},
        {"system": PARTS[:20] * 8, "logit_bias": {str(n): 1 for n in range(190)}},
        {"input": "1,2,{[" * 10_000},
        {"tools": "x,y", "messages": {"a": [1, 2]}, "contents": None},
    ],
)
def test_request_within_the_limits_passes(body: dict[str, Any]) -> None:
    check_request(json.dumps({"model": "m", **body}).encode(), LIMITS)


@given(st.binary(max_size=200) | JSON.map(lambda value: json.dumps(value).encode() * 30))
def test_nothing_but_an_error_for_the_client_is_raised(data: bytes) -> None:
    with suppress(RequestTooLargeError, InvalidRequestError):
        check_request(data, LIMITS)


def test_schemas_and_references_make_a_request_large() -> None:
    node: dict[str, Any] = {"type": "string"}
    plain = json.dumps({"properties": {str(n): {} for n in range(1200)}}).encode()
    typed = json.dumps({"properties": {str(n): node for n in range(1200)}}).encode()
    assert rough_count(plain) + rough_schema_cost(plain) < 4000
    assert rough_count(typed) + rough_schema_cost(typed) > 4000
    fan = json.dumps({"properties": {"a": {"$ref": "#"}, "b": {"$ref": "#"}}}).encode()
    assert rough_schema_cost(fan) > 4000


def test_arrays_within_arrays_make_a_request_large() -> None:
    assert rough_count(b'{"arguments": "%b"}' % (b"[" * 5000)) > 4096


def test_most_values_counts_across_slices() -> None:
    data = b"[%b]" % b",".join([b"[1]"] * 200_000)
    assert most_values(data) == 1 + 200_000 + 199_999 + 1
