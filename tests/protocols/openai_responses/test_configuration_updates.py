"""The last change of effort and format in a history counts."""

from __future__ import annotations

from typing import Any

import pytest

from antigravity.ir.errors import InvalidRequestError
from antigravity.ir.request import Request, ResponseFormat, ThinkingConfig
from antigravity.protocols.openai_responses.function_forms import as_functions
from tests.protocols.openai_responses.builders import decode

USER = {"role": "user", "content": "hi"}
SCHEMA = {"type": "json_schema", "name": "n", "schema": {"type": "object"}}


def update(**settings: Any) -> dict[str, Any]:
    return {"type": "configuration_update", **settings}


def converted(*items: dict[str, Any], **fields: Any) -> Request:
    forms = as_functions(decode({"input": [USER, *items], **fields}))
    assert forms is not None
    assert forms.losses == ()
    return forms.request


def test_last_effort_counts() -> None:
    low, high = update(reasoning={"effort": "low"}), update(reasoning={"effort": "high"})
    asked = {"effort": "medium", "summary": "auto"}
    request = converted(low, USER, high, USER, reasoning=asked)
    assert request.thinking == ThinkingConfig("on", effort="high", include=True, summary="auto")
    assert [message.role for message in request.messages] == ["user"] * 3


def test_thinking_can_be_switched_off() -> None:
    assert converted(update(reasoning={"effort": "none"})).thinking.mode == "off"


def test_format_changes_and_changes_back() -> None:
    given, text = update(text={"format": SCHEMA}), update(text={"format": {"type": "text"}})
    schema = ResponseFormat("schema", "n", None, {"type": "object"}, None)
    assert converted(given).response_format == schema
    assert converted(given, text).response_format == ResponseFormat()


def test_effort_and_format_are_independent() -> None:
    request = converted(update(reasoning={"effort": "low"}), update(text={"format": SCHEMA}))
    assert request.thinking.effort == "low"
    assert request.response_format.kind == "schema"


def test_invalid_effort_is_refused() -> None:
    with pytest.raises(InvalidRequestError):
        converted(update(reasoning={"effort": "most"}))
