"""Checks of requests to OpenAI's Chat Completions and Completions APIs; pure."""

from __future__ import annotations

import json
from typing import Any

from antigravity.simulator.errors import ApiError, refuse
from antigravity.simulator.validation.chat_assistant_turns import check_assistant_turns
from antigravity.simulator.validation.chat_messages import check_message, check_pairing
from antigravity.simulator.validation.chat_schema import CHAT, COMPATIBLE_CHAT, COMPLETION
from antigravity.simulator.validation.openai_errors import read_body, refuse_missing
from antigravity.simulator.validation.openai_json_schema import check_format, check_function
from antigravity.simulator.validation.openai_models import (
    check_chat_model,
    check_effort,
    check_sampling,
    check_tools_of_chat,
    is_o_series,
    is_reasoning_model,
    refuse_unsupported,
    version,
)


def check(body: dict[str, Any], lenient: bool = False) -> dict[str, Any]:
    """Return a request for a chat completion without members that are null.

    :param lenient: accept unknown fields, as compatible services do.
    :raises ApiError: with the service's message, if anything is wrong.
    """
    body = read_body(body, COMPATIBLE_CHAT if lenient else CHAT, unrecognized=True)
    model = check_model(body)
    for index, message in enumerate(body["messages"]):
        check_message(index, message)
    check_pairing(body["messages"])
    check_assistant_turns(body)
    _check_tool_choice(body, _check_tools(body))
    _check_format(body)
    _check_limits(body, model)
    return body


def check_completion(body: dict[str, Any]) -> dict[str, Any]:
    """Return a request for a (legacy) completion without members that are null.

    :raises ApiError: with the service's message, if anything is wrong.
    """
    body = read_body(body, COMPLETION, unrecognized=True)
    check_model(body)
    prompt = body["prompt"]
    if isinstance(prompt, list) and len({isinstance(item, str) for item in prompt}) > 1:
        refuse("Invalid type for 'prompt': expected a string.", "prompt", "invalid_type")
    count = body.get("n", 1)
    if body.get("best_of", count) < count:
        refuse("Invalid value for 'best_of': it must be at least 'n'.", "best_of")
    _check_stream_options(body)
    return body


def check_model(body: dict[str, Any]) -> str:
    """Return the model's name.

    :raises ApiError: if it is missing or does not exist.
    """
    model = body.get("model")
    if not isinstance(model, str) or not model:
        refuse("you must provide a model parameter")
    if model.startswith("no-such"):
        raise ApiError(
            404,
            f"The model `{model}` does not exist or you do not have access to it.",
            code="model_not_found",
        )
    return model


def _check_tools(body: dict[str, Any]) -> list[str]:
    names = []
    for index, tool in enumerate(body.get("tools", ())):
        inner = tool[tool["type"]]
        if tool["type"] == "function":
            check_function(inner, f"tools[{index}].function")
        names.append(inner["name"])
    return names


def _check_tool_choice(body: dict[str, Any], names: list[str]) -> None:
    for name in ("tool_choice", "parallel_tool_calls"):
        if name in body and not names and body[name] != "none":
            refuse(
                f"Invalid value for '{name}': '{name}' is only allowed when 'tools' are specified.",
                name,
            )
    choice = body.get("tool_choice")
    if not isinstance(choice, dict) or choice["type"] == "allowed_tools":
        return
    tool_name = choice[choice["type"]]["name"]
    if tool_name not in names:
        refuse(
            f"Invalid value for 'tool_choice': Tool choice '{tool_name}' not found in 'tools' "
            "parameter.",
            "tool_choice",
        )


def _check_format(body: dict[str, Any]) -> None:
    form = body.get("response_format", {"type": "text"})
    if form["type"] == "json_schema":
        inner = form["json_schema"]
        if "schema" not in inner and inner.get("strict"):
            refuse_missing("response_format.json_schema.schema")
        check_format(inner, "response_format")
    if form["type"] == "json_object" and "json" not in json.dumps(body["messages"]).lower():
        refuse(
            "'messages' must contain the word 'json' in some form, to use 'response_format' of "
            "type 'json_object'.",
            "messages",
        )


def _check_stream_options(body: dict[str, Any]) -> None:
    if "stream_options" in body and not body.get("stream"):
        refuse(
            "The 'stream_options' parameter is only allowed when 'stream' is enabled.",
            "stream_options",
        )


def _check_limits(body: dict[str, Any], model: str) -> None:
    _check_stream_options(body)
    if "max_tokens" in body and "max_completion_tokens" in body:
        refuse(
            "Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported.",
            "max_tokens",
        )
    if "top_logprobs" in body and not body.get("logprobs"):
        refuse("'top_logprobs' is only allowed when 'logprobs' is enabled.", "top_logprobs")
    if "metadata" in body and not body.get("store"):
        refuse("The 'metadata' parameter is only allowed when 'store' is enabled.", "metadata")
    if "reasoning_effort" in body:
        if model.startswith(("gpt-4", "gpt-3")):
            refuse("Unrecognized request argument supplied: reasoning_effort")
        check_effort(body["reasoning_effort"], model, "reasoning_effort")
    if body.get("verbosity", "medium") != "medium" and version(model) < (5, 0):
        refuse(
            f"Unsupported value: 'verbosity' does not support '{body['verbosity']}' with this "
            "model. Supported values are: 'medium'.",
            "verbosity",
            "unsupported_value",
        )
    check_chat_model(body, model)
    check_tools_of_chat(body, model)
    check_sampling(body, model, body.get("reasoning_effort"))
    if is_reasoning_model(model):
        _check_reasoning_model(body, model)


def _check_reasoning_model(body: dict[str, Any], model: str) -> None:
    """Refuse parameters that reasoning models do not support."""
    if "max_tokens" in body:
        refuse(
            "Unsupported parameter: 'max_tokens' is not supported with this model. Use "
            "'max_completion_tokens' instead.",
            "max_tokens",
            "unsupported_parameter",
        )
    if "parallel_tool_calls" in body and is_o_series(model):
        refuse_unsupported("parallel_tool_calls")
    if "stop" in body and (is_o_series(model) or version(model) == (5, 0)):
        refuse_unsupported("stop")
