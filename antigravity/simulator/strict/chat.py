"""What the OpenAI Chat Completions and Completions APIs refuse; pure."""

from __future__ import annotations

import json
from typing import Any, Final

from antigravity.simulator.faults import ApiError
from antigravity.simulator.strict.chat_messages import check_message, check_pairing
from antigravity.simulator.strict.chat_reasoning import check_turns
from antigravity.simulator.strict.openai_models import (
    check_effort,
    check_identifiers,
    check_tools_of_chat,
    version,
)
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

_KNOWN: Final = words(
    """audio frequency_penalty function_call functions logit_bias logprobs max_completion_tokens
    max_tokens messages metadata modalities model moderation n parallel_tool_calls prediction
    presence_penalty prompt_cache_key prompt_cache_options prompt_cache_retention reasoning_effort
    response_format safety_identifier seed service_tier stop store stream stream_options
    temperature tool_choice tools top_logprobs top_p user verbosity web_search_options"""
)
_COMPLETION: Final = words(
    """best_of echo frequency_penalty logit_bias logprobs max_tokens model n presence_penalty
    prompt seed stop stream stream_options suffix temperature top_p user"""
)
_FORMATS: Final = ("json_object", "json_schema", "text")
_EFFORTS: Final = ("none", "minimal", "low", "medium", "high", "xhigh", "max")


def check(body: dict[str, Any], lenient: bool = False) -> None:
    """Refuse what is wrong with a request for a chat completion.

    :param lenient: take fields that OpenAI does not know, as compatible services do.
    :raises ApiError: as the service words it.
    """
    model = check_model(body)
    if not lenient:
        _unknown(body, _KNOWN)
    messages = body.get("messages")
    if messages is None:
        missing("messages")
    if not isinstance(messages, list):
        refuse(
            "Invalid type for 'messages': expected an array of objects.",
            "messages",
            "invalid_type",
        )
    if not messages:
        refuse(
            "Invalid 'messages': empty array. Expected an array with minimum length 1, but got an "
            "empty array instead.",
            "messages",
            "empty_array",
        )
    for index, message in enumerate(messages):
        check_message(index, message, lenient)
    check_pairing(messages)
    check_turns(body)
    names = _tools(body)
    _choice(body, names)
    _format(body)
    _limits(body, model)


def check_completion(body: dict[str, Any]) -> None:
    """Refuse what is wrong with a request for a (legacy) completion.

    :raises ApiError: as the service words it.
    """
    check_model(body)
    _unknown(body, _COMPLETION)
    if not _is_prompt(body.get("prompt")):
        refuse("Invalid type for 'prompt': expected a string.", "prompt", "invalid_type")
    wanted = body.get("n") or 1
    if (body.get("best_of") or wanted) < wanted:
        refuse("Invalid value for 'best_of': it must be at least 'n'.", "best_of")
    _shared(body)


def _is_prompt(prompt: Any) -> bool:
    """Return whether this is a text or its tokens, or a list of some of one kind."""
    if isinstance(prompt, str):
        return True
    if not isinstance(prompt, list) or not prompt:
        return False
    return all(isinstance(item, str) for item in prompt) or all(
        isinstance(item, int) or (isinstance(item, list) and all(isinstance(t, int) for t in item))
        for item in prompt
    )


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


def _unknown(body: dict[str, Any], known: frozenset[str]) -> None:
    found = [name for name in body if name not in known]
    if found:
        plural = "s" if len(found) > 1 else ""
        refuse(f"Unrecognized request argument{plural} supplied: {', '.join(found)}")


def _tools(body: dict[str, Any]) -> list[str]:
    tools = body.get("tools")
    if tools is None:
        return []
    if not isinstance(tools, list) or not tools:
        refuse(
            "Invalid 'tools': empty array. Expected an array with minimum length 1, but got an "
            "empty array instead.",
            "tools",
            "empty_array",
        )
    names = []
    for index, tool in enumerate(tools):
        place = f"tools[{index}]"
        kind = tool.get("type") if isinstance(tool, dict) else None
        if kind is None:
            missing(f"{place}.type")
        one_of(kind, ("function", "custom"), f"{place}.type")
        inner = tool.get(kind)
        if not isinstance(inner, dict):
            missing(f"{place}.{kind}")
        check_name(inner.get("name"), f"{place}.{kind}.name")
        if kind == "function":
            check_function(inner, f"{place}.function")
        names.append(inner["name"])
    return names


def _choice(body: dict[str, Any], names: list[str]) -> None:
    for name in ("tool_choice", "parallel_tool_calls"):
        if body.get(name) is not None and not names and body[name] != "none":
            refuse(
                f"Invalid value for '{name}': '{name}' is only allowed when 'tools' are specified.",
                name,
            )
    choice = body.get("tool_choice")
    if choice is None:
        return
    if isinstance(choice, str):
        one_of(choice, ("none", "auto", "required"), "tool_choice")
        return
    kind = choice.get("type") if isinstance(choice, dict) else None
    one_of(kind, ("function", "allowed_tools", "custom"), "tool_choice.type")
    if kind == "allowed_tools":
        return
    inner = choice.get(str(kind))
    wanted = inner.get("name") if isinstance(inner, dict) else None
    if wanted is None:
        missing(f"tool_choice.{kind}.name")
    if wanted not in names:
        refuse(
            f"Invalid value for 'tool_choice': Tool choice '{wanted}' not found in 'tools' "
            "parameter.",
            "tool_choice",
        )


def _format(body: dict[str, Any]) -> None:
    form = body.get("response_format")
    if form is None:
        return
    kind = form.get("type") if isinstance(form, dict) else None
    one_of(kind, _FORMATS, "response_format.type")
    if kind == "json_schema":
        inner = form.get("json_schema")
        if not isinstance(inner, dict):
            missing("response_format.json_schema")
        check_format(inner, "response_format.json_schema")
    if kind == "json_object" and "json" not in json.dumps(body["messages"]).lower():
        refuse(
            "'messages' must contain the word 'json' in some form, to use 'response_format' of "
            "type 'json_object'.",
            "messages",
        )


def _shared(body: dict[str, Any]) -> None:
    stop = body.get("stop")
    if isinstance(stop, list) and len(stop) > 4:
        refuse(
            f"Invalid 'stop': array too long. Expected an array with maximum length 4, but got an "
            f"array with length {len(stop)} instead.",
            "stop",
            "array_above_max_length",
        )
    if body.get("stream_options") is not None and not body.get("stream"):
        refuse(
            "The 'stream_options' parameter is only allowed when 'stream' is enabled.",
            "stream_options",
        )
    number(body, "temperature", 0, 2)
    number(body, "top_p", 0, 1)
    number(body, "presence_penalty", -2, 2)
    number(body, "frequency_penalty", -2, 2)
    number(body, "n", 1, 128)
    number(body, "max_tokens", 1, 1_000_000)


def _limits(body: dict[str, Any], model: str) -> None:
    _shared(body)
    number(body, "max_completion_tokens", 1, 1_000_000)
    number(body, "top_logprobs", 0, 20)
    if body.get("max_tokens") is not None and body.get("max_completion_tokens") is not None:
        refuse(
            "Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported.",
            "max_tokens",
        )
    if body.get("top_logprobs") is not None and not body.get("logprobs"):
        refuse("'top_logprobs' is only allowed when 'logprobs' is enabled.", "top_logprobs")
    check_identifiers(body)
    if body.get("metadata") is not None and not body.get("store"):
        refuse("The 'metadata' parameter is only allowed when 'store' is enabled.", "metadata")
    if body.get("reasoning_effort") is not None:
        one_of(body["reasoning_effort"], _EFFORTS, "reasoning_effort")
        if model.startswith(("gpt-4", "gpt-3")):
            refuse("Unrecognized request argument supplied: reasoning_effort")
        check_effort(body["reasoning_effort"], model, "reasoning_effort")
    check_tools_of_chat(body, model)
    if body.get("verbosity") not in (None, "medium") and version(model) < (5, 0):
        refuse(
            f"Unsupported value: 'verbosity' does not support '{body['verbosity']}' with this "
            "model. Supported values are: 'medium'.",
            "verbosity",
            "unsupported_value",
        )
    if not reasons(model):
        return
    if body.get("parallel_tool_calls") is not None and model.startswith("o"):
        refuse(
            "Unsupported parameter: 'parallel_tool_calls' is not supported with this model.",
            "parallel_tool_calls",
            "unsupported_parameter",
        )
    if body.get("max_tokens") is not None:
        refuse(
            "Unsupported parameter: 'max_tokens' is not supported with this model. Use "
            "'max_completion_tokens' instead.",
            "max_tokens",
            "unsupported_parameter",
        )
    if body.get("stop") is not None:
        refuse(
            "Unsupported parameter: 'stop' is not supported with this model.",
            "stop",
            "unsupported_parameter",
        )
    for name in ("temperature", "top_p"):
        if body.get(name) not in (None, 1):
            refuse(
                f"Unsupported value: '{name}' does not support {body[name]} with this model. Only "
                "the default (1) value is supported.",
                name,
                "unsupported_value",
            )
