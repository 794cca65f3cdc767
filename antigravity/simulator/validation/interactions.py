"""Checks of requests for interactions; pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from antigravity.simulator.errors import ApiError, refuse
from antigravity.simulator.image_models import is_image_model
from antigravity.simulator.speech import VOICES, is_speech_model
from antigravity.simulator.validation.gemini import thinking_levels
from antigravity.simulator.validation.gemini_contents import check_function_name
from antigravity.simulator.validation.gemini_images import check_image_config
from antigravity.simulator.validation.gemini_models import AGENTS, check_model, version
from antigravity.simulator.validation.interactions_schema import INTERACTION
from antigravity.simulator.validation.interactions_steps import check_steps, steps_of
from antigravity.simulator.validation.json_schema import find_malformed, find_unknown_type
from antigravity.simulator.validation.openai_errors import name_param
from antigravity.simulator.validation.schema import Problem, json_type, name_type, read_value

#: Agents that run in the background only.
_BACKGROUND: Final = "deep-research"
#: The thinking levels of models that have budgets elsewhere.
_LEVELS: Final = ("MINIMAL", "LOW", "MEDIUM", "HIGH")
_ONLY_MODELS: Final = ("generation_config", "cached_content")


def check(
    raw: dict[str, Any], find_earlier: Callable[[str], list[Any]]
) -> tuple[str, dict[str, Any], list[dict[str, Any]]]:
    """Return the model or agent, the body without nulls, and all steps of the conversation.

    :param find_earlier: returns the steps of a stored interaction.
    :raises ApiError: with the service's message, if anything is wrong.
    """
    body, problems = read_value(raw, INTERACTION)
    if problems:
        raise _render(problems[0])
    name = _check_name(body)
    if body.get("background") and body.get("store") is False:
        refuse("background requires store to be true.", "background")
    if "input" not in body:
        refuse("input is required.", "input")
    previous = body.get("previous_interaction_id")
    before = find_earlier(previous) if previous else []
    steps = [*before, *steps_of(body["input"])]
    check_steps(name, steps)
    declared = _check_tools(name, body)
    config = body.get("generation_config") or {}
    _check_choice(config.get("tool_choice"), declared)
    _check_config(name, config)
    _check_formats(name, body, declared)
    return name, body, steps


def _check_name(body: dict[str, Any]) -> str:
    """Return the name of the model or the agent."""
    model, agent = body.get("model"), body.get("agent")
    if bool(model) is bool(agent):
        refuse("Exactly one of model and agent must be set.", "model")
    if agent:
        if agent not in AGENTS:
            raise ApiError(404, f"Agent {agent} is not found.")
        for name in _ONLY_MODELS:
            if name in body:
                refuse(f"{name} is only supported for models.", name)
        if agent.startswith(_BACKGROUND) and body.get("background") is not True:
            refuse("Agent interactions require background=true.", "background")
        return str(agent)
    name = check_model(str(model))
    if name in AGENTS:
        refuse(f"{name} is an agent; use the agent field.", "model")
    if "agent_config" in body:
        refuse("agent_config is only supported for agents.", "agent_config")
    if name.startswith("imagen") or "embedding" in name:
        raise ApiError(404, f"Model {name} is not supported in the Interactions API.")
    return name


def _check_tools(model: str, body: dict[str, Any]) -> list[str]:
    """Return the names of the functions."""
    names: list[str] = []
    tools = body.get("tools") or []
    for index, tool in enumerate(tools):
        if tool["type"] != "function":
            continue
        place = f"tools[{index}]"
        check_function_name(f"{place}.name", tool.get("name"))
        if tool["name"] in names:
            refuse(f"Duplicate function declaration found: {tool['name']}", place)
        names.append(tool["name"])
        _check_schema(f"{place}.parameters", tool.get("parameters", {}))
    hosted = len(names) < len(tools)
    if names and hosted and version(model) < (3, 0):
        refuse("Built-in tools with function calling are not supported for this model.", "tools")
    if tools and (is_image_model(model) or is_speech_model(model)):
        refuse(f"Function calling is not enabled for {model}.", "tools")
    return names


def _check_schema(place: str, schema: dict[str, Any]) -> None:
    problem = find_malformed(schema)
    if problem is not None or find_unknown_type(schema, any_case=True) is not None:
        refuse(f"{place} is not a valid JSON Schema.", place)


def _check_choice(chosen: Any, declared: list[str]) -> None:
    allowed = chosen.get("allowed_tools") or {} if isinstance(chosen, dict) else {"mode": chosen}
    if allowed.get("mode") in ("any", "validated") and not declared:
        refuse("tool_choice is set without functions.", "generation_config.tool_choice")
    for name in allowed.get("tools") or ():
        if name not in declared:
            refuse(
                f"Tool {name} in allowed_tools is not declared.", "generation_config.tool_choice"
            )


def _check_config(model: str, config: dict[str, Any]) -> None:
    level = config.get("thinking_level")
    if level is not None:
        known = thinking_levels(model) if version(model) >= (3, 0) else _LEVELS
        if version(model) < (2, 5) or level.upper() not in known:
            refuse(
                f"Thinking level {level} is not supported for this model.",
                "generation_config.thinking_level",
            )
    if "image_config" in config:
        if not is_image_model(model):
            refuse("Image config is not enabled for this model.", "generation_config.image_config")
        image = config["image_config"]
        check_image_config(
            model, {"aspectRatio": image.get("aspect_ratio"), "imageSize": image.get("image_size")}
        )
    for speaker in config.get("speech_config") or ():
        if speaker.get("voice") and speaker["voice"] not in VOICES:
            refuse(f"Voice name {speaker['voice']} is not supported.")


def formats_of(body: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the formats of the response."""
    given = body.get("response_format") or []
    return given if isinstance(given, list) else [given]


def modalities_of(body: dict[str, Any]) -> list[str]:
    """Return the requested modalities of the response."""
    return body.get("response_modalities") or [each["type"] for each in formats_of(body)]


def _check_formats(model: str, body: dict[str, Any], declared: list[str]) -> None:
    for each in formats_of(body):
        if each["type"] != "text":
            continue
        mime_type = each.get("mime_type")
        if mime_type not in (None, "text/plain", "application/json"):
            refuse(f"Unsupported mime_type {mime_type}.", "response_format.mime_type")
        if "schema" in each:
            if mime_type != "application/json":
                refuse("schema requires the mime_type application/json.", "response_format.schema")
            _check_schema("response_format.schema", each["schema"])
        if declared and mime_type == "application/json" and version(model) < (3, 0):
            refuse("Function calling with the mime_type application/json is not supported.")
    modalities = modalities_of(body)
    for name, supported in (("image", is_image_model(model)), ("audio", is_speech_model(model))):
        if name in modalities and not supported and "omni" not in model:
            refuse(f"Model does not support the requested response modalities: {name}")
    if is_speech_model(model) and modalities != ["audio"]:
        refuse(f"{model} only supports the response modality audio.")


def _render(problem: Problem) -> ApiError:
    """Return the error for a body that does not fit the schema."""
    kind, path, value, expected = problem
    place = name_param(path)
    match kind:
        case "missing":
            text = f"Missing required field '{place}'."
        case "unknown":
            text = f"Unknown parameter '{place}'."
        case "choice" | "tag":
            text = f"Invalid value {value!r} at '{place}'. Supported: {', '.join(expected)}."
        case "type":
            names = f"expected {name_type(expected)}, got {json_type(value)}"
            text = f"Invalid type at '{place}': {names}."
        case _:
            text = f"Invalid value at '{place}'."
    return ApiError(400, text, param=place)
