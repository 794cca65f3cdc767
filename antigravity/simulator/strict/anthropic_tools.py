"""What the Anthropic Messages API refuses of tools and of output formats; pure."""

from __future__ import annotations

import re
from typing import Any, Final

from antigravity.simulator.strict.anthropic_thinking import generation
from antigravity.simulator.strict.json_schema import malformed, walk_schema, wrong_type
from antigravity.simulator.strict.refusal import refuse, words

_FIELDS: Final = words(
    """allowed_callers cache_control defer_loading description eager_input_streaming
    input_examples input_schema name strict type"""
)
_HOSTED: Final = re.compile(
    r"(web_search|web_fetch|bash|text_editor|computer|code_execution|memory|tool_search_tool_\w+?|"
    r"computer_toolset|browser_toolset|advisor)_\d{8}"
)
_PATTERN: Final = re.compile(r"[a-zA-Z0-9_-]{1,128}")
#: What all strict tools of a request may have: tools, optional properties, unions.
_STRICT_MOST: Final = (20, 24, 16)
_EFFORTS: Final = ("low", "medium", "high", "xhigh", "max")
_UNSUPPORTED: Final = {
    "integer": ("minimum", "maximum", "multipleOf", "exclusiveMinimum", "exclusiveMaximum"),
    "number": ("minimum", "maximum", "multipleOf", "exclusiveMinimum", "exclusiveMaximum"),
    "string": ("minLength", "maxLength"),
    "array": ("maxItems", "uniqueItems"),
}


def check(body: dict[str, Any]) -> None:
    """Refuse wrong tools, a wrong tool choice and a wrong output format.

    :raises ApiError: as the service words it.
    """
    tools = body.get("tools")
    names: list[str] = []
    if tools is not None:
        if not isinstance(tools, list):
            refuse("tools: Input should be a valid list")
        for index, tool in enumerate(tools):
            names.append(_tool(index, tool))
        if len(set(names)) != len(names):
            refuse("tools: Tool names must be unique.")
    _strict(tools or [], str(body.get("model")))
    _choice(body.get("tool_choice"), names)
    config = body.get("output_config")
    if isinstance(config, dict):
        if config.get("effort") not in (None, *_EFFORTS):
            refuse(
                "output_config.effort: Input should be 'low', 'medium', 'high', 'xhigh' or 'max'"
            )
        _format("output_config.format", config.get("format"))
    _format("output_format", body.get("output_format"))


def _tool(index: int, tool: Any) -> str:
    if not isinstance(tool, dict):
        refuse(f"tools.{index}: Input should be an object")
    kind = tool.get("type", "custom")
    if kind == "mcp_toolset":
        return str(tool.get("mcp_server_name"))
    if kind != "custom":
        if not _HOSTED.fullmatch(str(kind)):
            refuse(
                f"tools.{index}: Input tag '{kind}' found using 'type' does not match any of the "
                "expected tags: 'custom', 'web_search_20250305', 'web_fetch_20250910', "
                "'bash_20250124', 'text_editor_20250728', 'code_execution_20250825', "
                "'memory_20250818'"
            )
        return str(tool.get("name"))
    place = f"tools.{index}.custom"
    for name in tool:
        if name not in _FIELDS:
            refuse(f"{place}.{name}: Extra inputs are not permitted")
    name = tool.get("name")
    if not isinstance(name, str):
        refuse(f"{place}.name: Field required")
    if not _PATTERN.fullmatch(name):
        refuse(f"{place}.name: String should match pattern '^[a-zA-Z0-9_-]{{1,128}}$'")
    schema = tool.get("input_schema")
    if not isinstance(schema, dict):
        refuse(f"{place}.input_schema: Field required")
    if schema.get("type") != "object":
        problem = "Input should be 'object'" if "type" in schema else "Field required"
        refuse(f"{place}.input_schema.type: {problem}")
    if any(keyword in schema for keyword in ("oneOf", "allOf", "anyOf")):
        refuse(
            f"{place}.input_schema: input_schema does not support oneOf, allOf, or anyOf at the "
            "top level"
        )
    if wrong_type(schema) is not None or malformed(schema) is not None:
        refuse(
            f"{place}.input_schema: JSON schema is invalid. It must match JSON Schema draft "
            "2020-12 (https://json-schema.org/draft/2020-12). Learn more about tool use at "
            "https://docs.claude.com/en/docs/tool-use."
        )
    return name


def _choice(choice: Any, names: list[str]) -> None:
    if choice is None:
        return
    kind = choice.get("type") if isinstance(choice, dict) else None
    if kind not in ("auto", "any", "tool", "none"):
        refuse(
            f"tool_choice: Input tag '{kind}' found using 'type' does not match any of the "
            "expected tags: 'any', 'auto', 'none', 'tool'"
        )
    if not names and kind != "none":
        refuse(f"tool_choice.{kind} may only be specified while providing tools.")
    if kind == "tool":
        if not isinstance(choice.get("name"), str):
            refuse("tool_choice.tool.name: Field required")
        if choice["name"] not in names:
            refuse(f"Tool '{choice['name']}' not found in provided tools")


def _strict(tools: list[Any], model: str) -> None:
    """Refuse strict tools that the service could not keep to."""
    strict = [tool for tool in tools if tool.get("strict") is True]
    if strict and generation(model) < (4, 5):
        refuse("tools.0.custom.strict: strict tools are not supported by this model")
    nodes = [node for tool in strict for _, node in walk_schema(tool["input_schema"])]
    optional = sum(
        name not in (node.get("required") or ())
        for node in nodes
        for name in node.get("properties") or ()
    )
    unions = sum("anyOf" in node or isinstance(node.get("type"), list) for node in nodes)
    found = (len(strict), optional, unions)
    for count, most, what in zip(
        found, _STRICT_MOST, ("strict tools", "optional parameters", "union types"), strict=True
    ):
        if count > most:
            refuse(f"Schemas contains too many {what} ({count}). The limit is {most}.")
    for index, tool in enumerate(tools):
        if tool in strict:
            _grammar(f"tools.{index}.custom", tool["input_schema"])


def _format(place: str, form: Any) -> None:
    if form is None:
        return
    if not isinstance(form, dict) or form.get("type") != "json_schema":
        refuse(f"{place}.type: Input should be 'json_schema'")
    if not isinstance(form.get("schema"), dict):
        refuse(f"{place}.schema: Field required")
    problem = malformed(form["schema"])
    if problem is not None:
        refuse(f"{place}.schema: {problem} is not valid JSON Schema")
    _grammar(f"{place}.schema", form["schema"])


def _grammar(place: str, schema: dict[str, Any]) -> None:
    """Refuse what no grammar can be made of."""
    for _, node in walk_schema(schema):
        kind = node.get("type")
        if kind == "object" and node.get("additionalProperties") is not False:
            refuse(
                f"{place}: For 'object' type, 'additionalProperties' must be explicitly "
                "set to false"
            )
        found = [word for word in _UNSUPPORTED.get(str(kind), ()) if word in node]
        if found:
            refuse(f"{place}: For '{kind}' type, properties {', '.join(found)} are not supported")
