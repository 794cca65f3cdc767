"""Checks of requests to the Gemini API, in camelCase; pure."""

from __future__ import annotations

from typing import Any, Final

from antigravity.simulator.errors import refuse
from antigravity.simulator.validation.gemini_contents import check_contents, check_function_name
from antigravity.simulator.validation.gemini_images import check_drawing
from antigravity.simulator.validation.gemini_models import version
from antigravity.simulator.validation.gemini_schema import INTERNAL_REQUEST, REQUEST
from antigravity.simulator.validation.gemini_speech import check_sound
from antigravity.simulator.validation.google_errors import read_body, snake
from antigravity.simulator.validation.json_schema import find_malformed, find_unknown_type

_MAX_OUTPUT: Final = 65536


def check(
    model: str, body: dict[str, Any], internal: bool = False, raw: bool = True
) -> dict[str, Any]:
    """Return the body in camelCase.

    :param internal: whether the request is one to Code Assist.
    :param raw: whether raw JSON Schemas are supported.
    :raises ApiError: with the service's message, if anything is wrong.
    """
    schema = INTERNAL_REQUEST if internal else REQUEST
    body = read_body(body, schema, json_schema=raw and version(model) >= (2, 5))
    check_contents(model, body)
    contents = body.get("contents") or [{}]
    if (3, 5) <= version(model) < (99, 0) and contents[-1].get("role") == "model":
        refuse("Requests ending with a model turn are not supported.")
    if model.startswith("gemma-3"):
        _check_gemma(model, body)
    declared = _check_tools(model, body, internal)
    _check_tool_config(body.get("toolConfig"), declared)
    _check_generation(model, body, declared, internal)
    check_drawing(model, body, internal)
    check_sound(model, body)
    return body


def _check_gemma(model: str, body: dict[str, Any]) -> None:
    """Refuse what Gemini's API does not support for Gemma 3."""
    if body.get("systemInstruction"):
        refuse(f"Developer instruction is not enabled for models/{model}")
    if body.get("tools"):
        refuse(f"Function calling is not enabled for models/{model}")
    if (body.get("generationConfig") or {}).get("responseMimeType", "text/plain") != "text/plain":
        refuse(f"JSON mode is not enabled for models/{model}")


def _check_tools(model: str, body: dict[str, Any], internal: bool) -> list[str]:
    names: list[str] = []
    hosted = False
    for index, tool in enumerate(body.get("tools") or ()):
        hosted = hosted or any(name != "functionDeclarations" for name in tool)
        for position, function in enumerate(tool.get("functionDeclarations") or ()):
            place = f"tools[{index}].function_declarations[{position}]"
            check_function_name(f"{place}.name", function.get("name"))
            if function["name"] in names:
                refuse(f"Duplicate function declaration found: {function['name']}")
            names.append(function["name"])
            if "parameters" in function and "parametersJsonSchema" in function:
                refuse(
                    f"* GenerateContentRequest.{place}: parameters and parameters_json_schema are "
                    "mutually exclusive.\n"
                )
            if "parameters" in function:
                kind = function["parameters"].get("type")
                if kind not in ("OBJECT", None):
                    refuse(
                        f"* GenerateContentRequest.{place}.parameters.type: schema at top-level "
                        "must be of type OBJECT\n"
                    )
                _check_schema(f"{place}.parameters", function["parameters"])
            if "parametersJsonSchema" in function:
                _check_json_schema(
                    f"{place}.parameters_json_schema", function["parametersJsonSchema"]
                )
    config = body.get("toolConfig") or {}
    if names and hosted:
        if internal or version(model) < (3, 0):
            refuse("Tool use with function calling is unsupported")
        if not config.get("includeServerSideToolInvocations"):
            refuse(
                "Please enable tool_config.include_server_side_tool_invocations to use Built-in "
                "tools with Function calling."
            )
        if (config.get("functionCallingConfig") or {}).get("mode") == "AUTO":
            refuse("Function calling mode AUTO is not supported with Built-in tools.")
    return names


def _check_schema(place: str, schema: dict[str, Any]) -> None:
    """Refuse schemas whose fields do not go together."""
    start = f"* GenerateContentRequest.{place}"
    kind = schema.get("type")
    if kind is None and not schema.get("anyOf"):
        refuse(f"{start}.type: must be specified\n")
    if kind == "ARRAY" and "items" not in schema:
        refuse(f"{start}.items: missing field.\n")
    if schema.get("enum") is not None:
        if kind != "STRING":
            refuse(f"{start}.enum: only allowed for STRING type\n")
        for index, value in enumerate(schema["enum"]):
            if value == "":
                refuse(f"{start}.enum[{index}]: cannot be empty\n")
    if kind == "STRING" and schema.get("format") not in (None, "enum", "date-time"):
        refuse(f"{start}.format: only 'enum' and 'date-time' are supported for STRING type\n")
    properties = schema.get("properties") or {}
    for index, name in enumerate(schema.get("required") or ()):
        if name not in properties:
            refuse(f"{start}.required[{index}]: property is not defined\n")
    for name, child in properties.items():
        _check_schema(f"{place}.properties[{name}]", child)
    if "items" in schema:
        _check_schema(f"{place}.items", schema["items"])
    for index, child in enumerate(schema.get("anyOf") or ()):
        _check_schema(f"{place}.any_of[{index}]", child)


def _check_json_schema(place: str, schema: Any) -> None:
    problem = find_malformed(schema) if isinstance(schema, dict) else "it"
    if problem is not None or find_unknown_type(schema, any_case=True) is not None:
        where = f" at {problem}" if problem not in (None, "it") else ""
        refuse(f"* GenerateContentRequest.{place}: invalid JSON Schema{where}.\n")


def _check_tool_config(config: Any, declared: list[str]) -> None:
    calling = (config or {}).get("functionCallingConfig")
    if not calling:
        return
    mode = calling.get("mode", "AUTO")
    if not declared and mode not in ("NONE", "MODE_UNSPECIFIED", "AUTO"):
        refuse("Function calling config is set without function_declarations.")
    allowed = calling.get("allowedFunctionNames")
    if allowed and mode not in ("ANY", "VALIDATED"):
        refuse("Allowed function names can only be set when the function calling mode is ANY.")
    for name in allowed or ():
        if name not in declared:
            refuse(f"Allowed function name `{name}` is not in the function declarations.")


def _check_range(config: dict[str, Any], name: str, low: float, high: float) -> None:
    value = config.get(name)
    if value is not None and not low <= value <= high:
        refuse(
            f"* GenerateContentRequest.generation_config.{snake(name)}: {snake(name)} must be in "
            f"the range [{low}, {high}].\n"
        )


def _check_generation(
    model: str, body: dict[str, Any], declared: list[str], internal: bool
) -> None:
    config = body.get("generationConfig") or {}
    _check_range(config, "temperature", 0.0, 2.0)
    _check_range(config, "topP", 0.0, 1.0)
    _check_range(config, "candidateCount", 1, 8)
    _check_range(config, "logprobs", 0, 20)
    penalties = ("presencePenalty", "frequencyPenalty")
    if (2, 5) <= version(model) < (99, 0) and any(config.get(name) for name in penalties):
        refuse(f"Penalty is not enabled for models/{model}")
    limit = config.get("maxOutputTokens")
    if limit is not None and not 1 <= limit <= _MAX_OUTPUT:
        refuse(
            f"Unable to submit request because it has a maxOutputTokens value of {limit} but the "
            f"supported range is from 1 (inclusive) to {_MAX_OUTPUT + 1} (exclusive). Update the "
            "value and try again."
        )
    if len(config.get("stopSequences") or ()) > 5:
        refuse("* GenerateContentRequest.generation_config.stop_sequences: at most 5 allowed.\n")
    if config.get("logprobs") is not None and not config.get("responseLogprobs"):
        refuse("logprobs can only be set when response_logprobs is true.")
    mime = config.get("responseMimeType", "text/plain")
    if mime not in ("text/plain", "application/json", "text/x.enum"):
        refuse(
            "* GenerateContentRequest.generation_config.response_mime_type: allowed mimetypes are "
            "`text/plain`, `application/json`, `application/xml`, `application/yaml` and "
            "`text/x.enum`.\n"
        )
    schemas = [name for name in ("responseSchema", "responseJsonSchema") if name in config]
    if len(schemas) == 2:
        refuse("Only one of response_schema and response_json_schema may be set.")
    if schemas and mime == "text/plain":
        refuse(
            f"* GenerateContentRequest.generation_config.{snake(schemas[0])}: only allowed when "
            "response_mime_type is `application/json`.\n"
        )
    if "responseSchema" in config:
        _check_schema("generation_config.response_schema", config["responseSchema"])
    if "responseJsonSchema" in config:
        place = "generation_config.response_json_schema"
        _check_json_schema(place, config["responseJsonSchema"])
    if declared and mime == "application/json" and version(model) < (3, 0):
        refuse("Function calling with a response mime type: 'application/json' is unsupported")
    _check_thinking(model, config.get("thinkingConfig") or {}, internal)


def thinking_levels(model: str) -> tuple[str, ...]:
    """Return the thinking levels that a model supports, by its name."""
    found = version(model)
    if (3, 7) <= found < (99, 0) or ("pro" in model and (3, 1) <= found < (99, 0)):
        return ("LOW", "MEDIUM", "HIGH")
    if "pro" in model and found == (3, 0):
        return ("LOW", "HIGH")
    return ("MINIMAL", "LOW", "MEDIUM", "HIGH")


def _check_thinking(model: str, thinking: dict[str, Any], internal: bool) -> None:
    budget, level = thinking.get("thinkingBudget"), thinking.get("thinkingLevel")
    if level == "THINKING_LEVEL_UNSPECIFIED":  # the enumeration's zero, which says nothing
        level = None
    if budget is not None and level is not None:
        refuse("You can only set only one of thinking budget and thinking level.")
    if level is not None:
        if version(model) < (3, 0):
            refuse("Thinking level is not supported for this model.")
        if level not in thinking_levels(model):
            refuse(f"Thinking level {level} is not supported for this model.")
    if version(model) < (2, 5) and (budget or thinking.get("includeThoughts")):
        refuse("Unable to submit request because Thinking is not supported by this model.")
    if budget is None or internal or version(model) != (2, 5) or budget == -1:
        return
    low, high = (128, 32768) if "pro" in model else (0, 24576)
    if "lite" in model and 0 < budget < 512:
        refuse(f"The thinking budget {budget} is invalid. Please choose 0, or at least 512.")
    if budget == 0 and low:
        refuse("Budget 0 is invalid. This model only works in thinking mode.")
    if not low <= budget <= high:
        refuse(
            f"The thinking budget {budget} is invalid. Please choose a value between {low} and "
            f"{high}."
        )
