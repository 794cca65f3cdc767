"""What the OpenAI Responses API refuses; pure.

The input has been joined with what ``previous_response_id`` names before it comes here.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final

from antigravity.simulator.strict.chat import check_model
from antigravity.simulator.strict.openai_models import check_effort, check_identifiers
from antigravity.simulator.strict.openai_schema import (
    check_format,
    check_function,
    check_name,
    missing,
    number,
    one_of,
    reasons,
)
from antigravity.simulator.strict.refusal import refuse, words
from antigravity.simulator.strict.response_items import (
    check_item,
    check_pairing,
    check_reasoning,
)

_KNOWN: Final = words(
    """access_programs background client_metadata context_management conversation image include
    input instructions max_output_tokens max_tool_calls metadata model moderation
    parallel_tool_calls previous_response_id prompt prompt_cache_key prompt_cache_options
    prompt_cache_retention reasoning safety_identifier service_tier store stream stream_options
    temperature text tool_choice tools top_logprobs top_p truncation user"""
)
_INCLUDE: Final = (
    "file_search_call.results", "web_search_call.results", "web_search_call.action.sources",
    "message.input_image.image_url", "computer_call_output.output.image_url",
    "code_interpreter_call.outputs", "reasoning.encrypted_content",
    "message.output_text.logprobs",
)  # fmt: skip
_TOOLS: Final = tuple(
    sorted(
        words(
            """function custom namespace web_search web_search_2025_08_26 web_search_preview
            web_search_preview_2025_03_11 file_search computer computer_use_preview
            code_interpreter image_generation mcp local_shell shell apply_patch tool_search
            programmatic_tool_calling"""
        )
    )
)


def check(
    body: dict[str, Any], items: list[Any], known_item: Callable[[str], bool] = lambda _: False
) -> None:
    """Refuse what is wrong with a request for a response.

    :param items: the input as items, older ones first.
    :param known_item: tells whether the service keeps an item of this id.
    :raises ApiError: as the service words it.
    """
    for name in body:
        if name not in _KNOWN:
            refuse(f"Unknown parameter: '{name}'.", name, "unknown_parameter")
    model = check_model(body)
    given = body.get("input")
    if given is None and body.get("prompt") is None:
        missing("input")
    if given is not None and not isinstance(given, str | list):
        refuse(
            "Invalid type for 'input': expected one of an array of objects or string.",
            "input",
            "invalid_type",
        )
    if not items and body.get("prompt") is None and body.get("conversation") is None:
        refuse(
            "One of 'input', 'previous_response_id', 'prompt' or 'conversation' must be provided.",
            "input",
        )
    for index, item in enumerate(items):
        check_item(index, item, known_item, body)
    check_pairing(items)
    check_reasoning(items)
    names = _tools(body.get("tools"), "tools")
    for index, item in enumerate(items):
        if item.get("type") == "additional_tools":
            names += _tools(item.get("tools"), f"input[{index}].tools")
    _choice(body.get("tool_choice"), names)
    _format(body, items)
    _limits(body, model)


def _tools(tools: Any, place: str) -> list[str]:
    names: list[str] = []
    if tools is None:
        return names
    if not isinstance(tools, list):
        refuse(f"Invalid type for '{place}': expected an array of objects.", place, "invalid_type")
    for index, tool in enumerate(tools):
        _tool(f"{place}[{index}]", tool, names)
    return names


def _tool(place: str, tool: Any, names: list[str]) -> None:
    kind = tool.get("type") if isinstance(tool, dict) else None
    if kind is None:
        missing(f"{place}.type")
    one_of(kind, _TOOLS, f"{place}.type")
    if kind in ("function", "custom", "namespace"):
        check_name(tool.get("name"), f"{place}.name")
        names.append(tool["name"])
    else:
        names.append(str(kind))
    if kind == "function":
        check_function(tool, place)
    elif kind == "namespace":
        inner = tool.get("tools")
        if not isinstance(inner, list):
            missing(f"{place}.tools")
        for index, child in enumerate(inner):
            _tool(f"{place}.tools[{index}]", child, names)


def _choice(choice: Any, names: list[str]) -> None:
    if choice is None or choice in ("none", "auto"):
        return
    if not names:
        refuse("Tool choice requires 'tools' to be specified.", "tool_choice")
    if isinstance(choice, str):
        one_of(choice, ("none", "auto", "required"), "tool_choice")
        return
    kind = choice.get("type") if isinstance(choice, dict) else None
    one_of(kind, ("function", "custom", "allowed_tools", *_TOOLS), "tool_choice.type")
    wanted = choice.get("name") if kind in ("function", "custom") else kind
    if wanted is None:
        missing("tool_choice.name")
    if kind != "allowed_tools" and wanted not in names:
        refuse(f"Tool choice '{wanted}' not found in 'tools' parameter.", "tool_choice")


def _format(body: dict[str, Any], items: list[Any]) -> None:
    text = body.get("text")
    form = text.get("format") if isinstance(text, dict) else None
    if form is None:
        return
    kind = form.get("type") if isinstance(form, dict) else None
    one_of(kind, ("json_object", "json_schema", "text"), "text.format.type")
    if kind == "json_schema":
        check_format(form, "text.format")
        if form.get("schema") is None:
            missing("text.format.schema")
    if kind == "json_object" and "json" not in json.dumps(items).lower():
        refuse(
            "Response input messages must contain the word 'json' in some form to use "
            "'text.format' of type 'json_object'.",
            "input",
        )


def _limits(body: dict[str, Any], model: str) -> None:
    limit = body.get("max_output_tokens")
    if limit is not None and (not isinstance(limit, int) or limit < 16):
        refuse(
            "Invalid 'max_output_tokens': integer below minimum value. Expected a value >= 16, "
            f"but got {limit} instead.",
            "max_output_tokens",
            "integer_below_min_value",
        )
    number(body, "temperature", 0, 2)
    number(body, "top_p", 0, 1)
    for index, name in enumerate(body.get("include") or ()):
        one_of(name, _INCLUDE, f"include[{index}]")
    if reasons(model):
        for name in ("temperature", "top_p"):
            if body.get(name) not in (None, 1):
                refuse(
                    f"Unsupported parameter: '{name}' is not supported with this model.",
                    name,
                    "unsupported_parameter",
                )
    check_identifiers(body)
    reasoning = body.get("reasoning")
    if isinstance(reasoning, dict) and reasoning.get("effort") is not None:
        one_of(
            reasoning["effort"],
            ("none", "minimal", "low", "medium", "high", "xhigh", "max"),
            "reasoning.effort",
        )
        if not model.startswith(("gpt-4", "gpt-3")):
            check_effort(reasoning["effort"], model, "reasoning.effort")
        if model.startswith(("gpt-4", "gpt-3")):
            refuse(
                "Unsupported parameter: 'reasoning.effort' is not supported with this model.",
                "reasoning.effort",
                "unsupported_parameter",
            )
