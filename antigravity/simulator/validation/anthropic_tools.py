"""Checks of tools and output formats of the Messages API; pure."""

from __future__ import annotations

from typing import Any, Final

from antigravity.simulator.errors import refuse
from antigravity.simulator.validation.anthropic_models import (
    accepts_response_schemas,
    generation,
)
from antigravity.simulator.validation.json_schema import (
    find_malformed,
    find_unknown_type,
    walk_schema,
)

#: What all strict tools of a request may have: tools, optional properties, unions.
_STRICT_MOST: Final = (20, 24, 16)
_UNSUPPORTED: Final = {
    "integer": ("minimum", "maximum", "multipleOf", "exclusiveMinimum", "exclusiveMaximum"),
    "number": ("minimum", "maximum", "multipleOf", "exclusiveMinimum", "exclusiveMaximum"),
    "string": ("minLength", "maxLength"),
    "array": ("maxItems", "uniqueItems"),
}


def check(body: dict[str, Any]) -> None:
    """Refuse wrong tools, a wrong tool choice and a wrong output format.

    :raises ApiError: with the service's message, if anything is wrong.
    """
    tools = body.get("tools", [])
    names = [_check_tool(index, tool) for index, tool in enumerate(tools)]
    if len(set(names)) != len(names):
        refuse("tools: Tool names must be unique.")
    _check_strict(tools, body["model"])
    if "tool_choice" in body:
        _check_tool_choice(body["tool_choice"], names)
    for place, form in (
        ("output_config.format", body.get("output_config", {}).get("format")),
        ("output_format", body.get("output_format")),
    ):
        if form is not None and not accepts_response_schemas(body["model"]):
            refuse(f"{place}: structured outputs are not supported on this model.")
        _check_format(place, form)


def _check_tool(index: int, tool: dict[str, Any]) -> str:
    kind = tool.get("type", "custom")
    if kind == "mcp_toolset":
        return str(tool.get("mcp_server_name"))
    if kind != "custom":
        return str(tool.get("name"))
    place, schema = f"tools.{index}.custom", tool["input_schema"]
    if schema.get("type") != "object":
        problem = "Input should be 'object'" if "type" in schema else "Field required"
        refuse(f"{place}.input_schema.type: {problem}")
    if any(keyword in schema for keyword in ("oneOf", "allOf", "anyOf")):
        refuse(
            f"{place}.input_schema: input_schema does not support oneOf, allOf, or anyOf at the "
            "top level"
        )
    if find_unknown_type(schema) is not None or find_malformed(schema) is not None:
        refuse(
            f"{place}.input_schema: JSON schema is invalid. It must match JSON Schema draft "
            "2020-12 (https://json-schema.org/draft/2020-12). Learn more about tool use at "
            "https://docs.claude.com/en/docs/tool-use."
        )
    return str(tool["name"])


def _check_tool_choice(choice: dict[str, Any], names: list[str]) -> None:
    kind = choice["type"]
    if not names and kind != "none":
        refuse(f"tool_choice.{kind} may only be specified while providing tools.")
    if kind == "tool" and choice["name"] not in names:
        refuse(f"Tool '{choice['name']}' not found in provided tools")


def _check_strict(tools: list[Any], model: str) -> None:
    """Refuse strict tools beyond the limits of the service."""
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
            _check_grammar(f"tools.{index}.custom", tool["input_schema"])


def _check_format(place: str, form: dict[str, Any] | None) -> None:
    if form is None:
        return
    problem = find_malformed(form["schema"])
    if problem is not None:
        refuse(f"{place}.schema: {problem} is not valid JSON Schema")
    _check_grammar(f"{place}.schema", form["schema"])


def _check_grammar(place: str, schema: dict[str, Any]) -> None:
    """Refuse schemas that structured outputs do not support."""
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
