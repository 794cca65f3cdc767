"""Schemas of functions, and of answers, in a form that upstreams take.

Anthropic and OpenAI want the schema of a function to be one of an object, without alternatives at
its top: "input_schema does not support oneOf, allOf, or anyOf at the top level", "schema must have
type 'object' and not have 'oneOf'/'anyOf'/'allOf'/'enum'/'not' at the top level".
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
from msgspec.structs import replace

from antigravity.ir.capabilities import Loss, Traits
from antigravity.ir.request import Request
from antigravity.ir.tools import FunctionTool, JsonObject, Tool
from antigravity.lowering.schema_repair import repair_schema

_ALTERNATIVES: Final = ("oneOf", "anyOf")
#: The longest text that tells what alternatives there were.
_LONGEST: Final = 1500
#: How often a reference at the top is followed.
_STEPS: Final = 8
_NAMED: Final = frozenset(("properties", "$defs", "definitions"))
#: Different schemas of one property that are listed; no tool has more.
_MOST_KINDS: Final = 32
#: Alternatives whose required properties are compared.
_MOST_BRANCHES: Final = 100


def repair_schemas(request: Request) -> Request:
    """Return the request with valid schemas."""
    if request.tools:
        tools = tuple(map(_repaired, request.tools))
        if any(mine is not theirs for mine, theirs in zip(tools, request.tools, strict=True)):
            request = replace(request, tools=tools)
    form = request.response_format
    if form.schema is not None:
        schema = repair_schema(form.schema)
        if schema is not form.schema:
            request = replace(request, response_format=replace(form, schema=schema))
    return request


def _repaired(tool: Tool) -> Tool:
    if not isinstance(tool, FunctionTool) or tool.parameters is None:
        return tool
    schema = repair_schema(tool.parameters)
    return tool if schema is tool.parameters else replace(tool, parameters=schema)


def fit_tool_schemas(request: Request, traits: Traits) -> tuple[Request, tuple[Loss, ...]]:
    """Return the request with functions whose schemas are plain objects.

    ``traits.top_schema`` are the keywords that the target refuses at the top level.  They move to
    the description, and the function is then no longer strict.
    """
    losses: list[Loss] = []
    tools: list[Tool] = []
    changed = False
    for tool in request.tools:
        if isinstance(tool, FunctionTool) and tool.parameters is not None:
            schema, lost = object_schema(tool.parameters, traits.top_schema)
            if lost:
                losses.append(_loss(tool, lost))
            if schema is not tool.parameters:
                strict = None if lost and tool.strict else tool.strict
                tool, changed = replace(tool, parameters=schema, strict=strict), True
        tools.append(tool)
    return (replace(request, tools=tuple(tools)) if changed else request), tuple(losses)


def _loss(tool: FunctionTool, lost: tuple[str, ...]) -> Loss:
    names = ", ".join(lost)
    detail = f"{names} moved to the description: the upstream does not allow them at the top level"
    if tool.strict:
        return Loss(f"tools.{tool.name}.strict", f"dropped: {detail}", content=True)
    return Loss(f"tools.{tool.name}.parameters", detail)


def object_schema(
    schema: JsonObject, refused: frozenset[str] = frozenset()
) -> tuple[JsonObject, tuple[str, ...]]:
    """Return an object schema, and the keywords that moved to its description.

    A schema that is in order is returned unchanged.
    """
    kind = schema.get("type")
    whole = kind == "object" and (isinstance(schema.get("properties"), dict) or not refused)
    if whole and refused.isdisjoint(schema):
        return schema, ()
    fitted = dict(schema)
    moved: dict[str, Any] = {}
    for _ in range(_STEPS):  # merged schemas can hold more of these keywords
        if "$ref" in refused:
            fitted = _dereferenced(fitted, schema)
        found = [name for name in fitted if name in refused]
        for name in found:
            value = fitted.pop(name)
            if name == "allOf" and isinstance(value, list):
                fitted = join_schemas(fitted, _branches(value, schema))
                continue
            moved[name] = [moved[name], value] if name in moved else value
            if name in _ALTERNATIVES and isinstance(value, list):
                fitted = _alternatives(fitted, _branches(value, schema))
        if not found:
            break
    fitted = {name: value for name, value in fitted.items() if name not in refused}
    fitted["type"] = "object"
    if refused and not isinstance(fitted.get("properties"), dict):
        fitted["properties"] = {}
    first: JsonObject = {"type": "object", **fitted}
    if moved:
        text = msgspec.json.encode(moved).decode()
        words = text if len(text) <= _LONGEST else ", ".join(moved)
        description = first.get("description")
        first["description"] = f"{description} {words}" if description else words
    return first, tuple(moved)


def _dereferenced(schema: JsonObject, root: JsonObject) -> JsonObject:
    """Return a schema with its reference within ``root`` replaced by the schema there."""
    fitted = dict(schema)
    for _ in range(_STEPS):
        if "$ref" not in fitted:
            return fitted
        target = _target(fitted.pop("$ref"), root)
        if target is not None:
            fitted = join_schemas(fitted, [target])
    fitted.pop("$ref", None)
    return fitted


def _target(pointer: Any, root: JsonObject) -> JsonObject | None:
    if not isinstance(pointer, str) or not pointer.startswith("#/"):
        return None
    place: Any = root
    for step in pointer[2:].split("/"):
        step = step.replace("~1", "/").replace("~0", "~")
        place = place.get(step) if isinstance(place, dict) else None
    return place if isinstance(place, dict) else None


def _branches(value: list[Any], root: JsonObject) -> list[JsonObject]:
    """Return the schemas of a list with their references followed, but for those of ``null``."""
    branches: list[JsonObject] = []
    for each in value:
        if not isinstance(each, dict) or each.get("type") == "null":
            continue
        branch = _dereferenced(each, root) if "$ref" in each else each
        inner = branch.get("allOf")
        if isinstance(inner, list):
            rest = {name: inner for name, inner in branch.items() if name != "allOf"}
            branch = join_schemas(rest, [more for more in inner if isinstance(more, dict)])
        branches.append(branch)
    return branches


def join_schemas(schema: JsonObject, others: list[JsonObject]) -> JsonObject:
    """Return a schema merged with others; its own keywords take precedence."""
    joined = dict(schema)
    maps: dict[str, JsonObject] = {}
    required: dict[str, None] = {}
    for each in (schema, *others):
        for name, value in each.items():
            if name in _NAMED and isinstance(value, dict):
                known = maps.setdefault(name, {})
                known.update({key: inner for key, inner in value.items() if key not in known})
            elif name == "required" and isinstance(value, list):
                required.update(dict.fromkeys(value))
            elif name not in joined:
                joined[name] = value
    joined.update(maps)
    if required:
        joined["required"] = list(required)
    return joined


def _alternatives(schema: JsonObject, branches: list[JsonObject]) -> JsonObject:
    """Return a schema with the properties of all alternatives, requiring what all require."""
    alike: dict[str, list[Any]] = {}
    for branch in branches:
        properties = branch.get("properties")
        for name, inner in properties.items() if isinstance(properties, dict) else ():
            kinds = alike.setdefault(name, [])
            if len(kinds) <= _MOST_KINDS and inner not in kinds:
                kinds.append(inner)
    properties = {name: _either(kinds) for name, kinds in alike.items()}
    common = [
        name
        for name in (branches[0].get("required", ()) if branches else ())
        if all(name in _required(branch) for branch in branches[:_MOST_BRANCHES])
    ]
    more: JsonObject = {"properties": properties}
    if common and len(branches) <= _MOST_BRANCHES:
        more["required"] = common
    return join_schemas(schema, [more])


def _required(schema: JsonObject) -> list[Any]:
    names = schema.get("required")
    return names if isinstance(names, list) else []


def _either(kinds: list[Any]) -> Any:
    """Return a schema of one of several; a few values become a list of them."""
    if len(kinds) == 1:
        return kinds[0]
    if len(kinds) > _MOST_KINDS:
        return {}
    if not all(isinstance(each, dict) and "const" in each for each in kinds):
        return {"anyOf": kinds}
    merged: JsonObject = {"enum": [each["const"] for each in kinds]}
    kind = kinds[0].get("type")
    return (
        {"type": kind, **merged}
        if all(each.get("type") == kind for each in kinds[1:]) and (kind is not None)
        else merged
    )
