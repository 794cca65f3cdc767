"""Checks of requests to the Responses API; pure."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

from antigravity.simulator.compaction import check_triggers
from antigravity.simulator.errors import refuse
from antigravity.simulator.parsers.responses import items_of
from antigravity.simulator.validation.chat import check_model
from antigravity.simulator.validation.openai_errors import read_body, refuse_missing
from antigravity.simulator.validation.openai_json_schema import check_format, check_function
from antigravity.simulator.validation.openai_models import (
    accepts_sampling,
    check_content,
    check_effort,
    max_output,
    refuse_unsupported,
)
from antigravity.simulator.validation.response_items import (
    check_item,
    check_pairing,
    check_reasoning,
)
from antigravity.simulator.validation.responses_schema import RESPONSE


def check(
    body: dict[str, Any],
    find_earlier: Callable[[str], list[Any]] = lambda _: [],
    is_stored_item: Callable[[str], bool] = lambda _: False,
    *,
    unanswered: bool = False,
) -> tuple[dict[str, Any], list[Any]]:
    """Return a request for a response without members that are null, and its whole input.

    :param find_earlier: return the items of the response of this id, or raise.
    :param is_stored_item: return whether the service stores an item of this id.
    :param unanswered: whether calls may have no outputs; those before a trigger always may.
    :raises ApiError: with the service's message, if anything is wrong.
    """
    body = read_body(body, RESPONSE)
    model = check_model(body)
    if "input" not in body and "prompt" not in body:
        refuse_missing("input")
    earlier = find_earlier(body["previous_response_id"]) if "previous_response_id" in body else []
    items = earlier + items_of(body.get("input"))
    if not items and "prompt" not in body and "conversation" not in body:
        refuse(
            "One of 'input', 'previous_response_id', 'prompt' or 'conversation' must be provided.",
            "input",
        )
    for index, item in enumerate(items):
        check_item(index, item, is_stored_item, body)
    check_content(items, model)
    check_pairing(items, unanswered=unanswered or check_triggers(items))
    check_reasoning(items)
    names = _check_tools(body.get("tools", ()), "tools")
    for index, item in enumerate(items):
        if item.get("type") == "additional_tools":
            names += _check_tools(item.get("tools", ()), f"input[{index}].tools")
    _check_tool_choice(body.get("tool_choice", "auto"), names)
    _check_format(body, items)
    _check_limits(body, model)
    return body, items


def _check_tools(tools: Iterable[dict[str, Any]], place: str) -> list[str]:
    names: list[str] = []
    for index, tool in enumerate(tools):
        kind = tool["type"]
        names.append(tool["name"] if kind in ("function", "custom", "namespace") else kind)
        if kind == "function":
            check_function(tool, f"{place}[{index}]")
        elif kind == "namespace":
            names += _check_tools(tool["tools"], f"{place}[{index}].tools")
    return names


def _check_tool_choice(choice: Any, names: list[str]) -> None:
    if choice in ("none", "auto"):
        return
    if not names:
        refuse("Tool choice requires 'tools' to be specified.", "tool_choice")
    if choice == "required" or choice["type"] == "allowed_tools":
        return
    tool_name = choice["name"] if choice["type"] in ("function", "custom") else choice["type"]
    if tool_name not in names:
        refuse(f"Tool choice '{tool_name}' not found in 'tools' parameter.", "tool_choice")


def _check_format(body: dict[str, Any], items: list[Any]) -> None:
    form = body.get("text", {}).get("format", {"type": "text"})
    if form["type"] == "json_schema":
        check_format(form, "text.format")
    if form["type"] == "json_object" and "json" not in json.dumps(items).lower():
        refuse(
            "Response input messages must contain the word 'json' in some form to use "
            "'text.format' of type 'json_object'.",
            "input",
        )


def _check_limits(body: dict[str, Any], model: str) -> None:
    effort = body.get("reasoning", {}).get("effort")
    if not accepts_sampling(model, effort):
        for name in ("temperature", "top_p", "top_logprobs"):
            if body.get(name, 1) != 1:
                refuse_unsupported(name)
    if effort is not None:
        if model.startswith(("gpt-4", "gpt-3")):
            refuse_unsupported("reasoning.effort")
        check_effort(effort, model, "reasoning.effort")
    most, limit = max_output(model), body.get("max_output_tokens", 0)
    if most is not None and limit > most:
        refuse(
            f"Invalid 'max_output_tokens': integer above maximum value. Expected a value <= "
            f"{most}, but got {limit} instead.",
            "max_output_tokens",
            "integer_above_max_value",
        )
