"""Strict functions, for targets whose rules for strict schemas are OpenAI's.

There every object is closed and every property required.  A property that the client leaves
optional becomes nullable instead, and ``null`` for it is taken out of the arguments that come back.
See https://platform.openai.com/docs/guides/structured-outputs#supported-schemas.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from antigravity.ir.capabilities import Loss, Target, Traits
from antigravity.ir.events import Event, ToolCallDelta, ToolCallEnd, ToolCallStart
from antigravity.ir.request import Request
from antigravity.ir.tools import FunctionTool, JsonObject, Tool

#: Keywords that strict schemas must not have.
_REFUSED: Final = frozenset(
    ("allOf", "oneOf", "not", "if", "then", "else", "dependentRequired", "dependentSchemas",
     "patternProperties", "propertyNames", "unevaluatedProperties", "prefixItems", "contains")
)  # fmt: skip
#: Keywords that are moved to the description.
_DESCRIBED: Final = frozenset(
    ("default", "minLength", "maxLength", "uniqueItems", "minProperties", "maxProperties",
     "minContains", "maxContains", "unevaluatedItems")
)  # fmt: skip
_FORMATS: Final = frozenset(
    ("date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid")
)
_NAMED: Final = ("properties", "$defs", "definitions")
_MAX_DEPTH: Final = 60
_EMPTY: Final[JsonObject] = {
    "type": "object",
    "properties": {},
    "required": [],
    "additionalProperties": False,
}


class _UnfitError(Exception):
    """A schema cannot be made strict; the text names the reason."""


def fit_strict_tools(
    request: Request, traits: Traits, target: Target
) -> tuple[Request, tuple[Loss, ...], NullArgumentPass | None]:
    """Return the request with strict functions that the target accepts, and the losses.

    The third value is the pass that reverts the changes in the response, if there were any.
    """
    if traits.strict != "openai" or not any(_is_strict(tool) for tool in request.tools):
        return request, (), None
    if not target.accepts("strict", usual=True):
        losses = tuple(
            _lost(tool, "the upstream has no strict functions")
            for tool in request.tools
            if _is_strict(tool)
        )
        tools = tuple(_loose(tool) for tool in request.tools)
        return replace(request, tools=tools), losses, None
    found: list[Loss] = []
    changed: dict[str, JsonObject] = {}
    fitted: list[Tool] = []
    for tool in request.tools:
        if not isinstance(tool, FunctionTool) or not tool.strict:
            fitted.append(tool)
            continue
        try:
            schema = strict_schema(tool.parameters)
        except _UnfitError as error:
            found.append(_lost(tool, str(error)))
            fitted.append(_loose(tool))
            continue
        if tool.parameters is not None and schema != tool.parameters:
            changed[tool.name] = tool.parameters
        fitted.append(replace(tool, parameters=schema))
    restorer = NullArgumentPass(changed) if changed else None
    return replace(request, tools=tuple(fitted)), tuple(found), restorer


def _lost(tool: Tool, reason: str) -> Loss:
    name = getattr(tool, "name", "")
    return Loss(f"tools.{name}.strict", f"dropped: {reason}", content=True)


def _is_strict(tool: Tool) -> bool:
    return isinstance(tool, FunctionTool) and bool(tool.strict)


def _loose(tool: Tool) -> Tool:
    return replace(tool, strict=None) if isinstance(tool, FunctionTool) else tool


def strict_schema(schema: JsonObject | None) -> JsonObject:
    """Return a function's schema as a strict one that allows the same, and null for what may miss.

    :raises _UnfitError: if there is none.
    """
    if not schema:
        return _EMPTY
    found = _strict({"type": "object", **schema}, 0)
    if "anyOf" in found:
        raise _UnfitError("anyOf at the top")
    assert isinstance(found, dict)
    return found


def _strict(schema: Any, depth: int) -> Any:
    if not isinstance(schema, dict):
        return schema
    if depth > _MAX_DEPTH:
        raise _UnfitError("the schema is too deep")
    refused = next((name for name in schema if name in _REFUSED), None)
    if refused is not None:
        raise _UnfitError(f"strict schemas do not allow {refused}")
    fitted: JsonObject = {}
    moved: list[str] = []
    for name, value in schema.items():
        if name in _DESCRIBED or (name == "format" and value not in _FORMATS):
            moved.append(f"{name}: {msgspec.json.encode(value).decode()}")
        elif name in _NAMED and isinstance(value, dict):
            fitted[name] = {key: _strict(inner, depth + 1) for key, inner in value.items()}
        elif name == "anyOf" and isinstance(value, list):
            fitted[name] = [_strict(inner, depth + 1) for inner in value]
        elif name == "items":
            fitted[name] = _strict(value, depth + 1)
        else:
            fitted[name] = value
    if moved:
        description = schema.get("description")
        fitted["description"] = " ".join(
            [*([description] if description else []), f"[{'; '.join(moved)}]"]
        )
    if is_object(schema):
        _close(schema, fitted)
    return fitted


def _close(schema: JsonObject, fitted: JsonObject) -> None:
    """Close an object, and require all of its properties."""
    more = schema.get("additionalProperties")
    properties = fitted.setdefault("properties", {})
    if more not in (None, False) and (more is not True or not properties):
        raise _UnfitError("strict schemas do not allow arbitrary properties")
    required = schema.get("required") or ()
    for name, inner in properties.items():
        if name not in required and not is_nullable(inner):
            properties[name] = _nullable(inner)
    fitted["required"] = list(properties)
    fitted["additionalProperties"] = False


def is_object(schema: Any) -> bool:
    """Return whether a schema describes objects."""
    if not isinstance(schema, dict):
        return False
    kind = schema.get("type")
    if kind is None:
        return "properties" in schema
    return "object" in kind if isinstance(kind, list) else kind == "object"


def is_nullable(schema: Any) -> bool:
    """Return whether a schema accepts ``null``, without resolving its references."""
    if not isinstance(schema, dict):
        return schema is True
    if "enum" in schema and None not in (schema["enum"] or ()):
        return False
    if "const" in schema and schema["const"] is not None:
        return False
    kind = schema.get("type")
    if kind is not None:
        return "null" in kind if isinstance(kind, list) else kind == "null"
    if "anyOf" in schema:
        return any(is_nullable(inner) for inner in schema["anyOf"])
    return "$ref" not in schema and "properties" not in schema


def _nullable(schema: Any) -> Any:
    """Return a schema that also accepts ``null``."""
    if not isinstance(schema, dict):
        return {"anyOf": [{"type": "string"}, {"type": "null"}]}
    kind = schema.get("type")
    if isinstance(kind, str | list) and "const" not in schema:
        kinds = [kind] if isinstance(kind, str) else kind
        wider: JsonObject = {**schema, "type": [*kinds, *([] if "null" in kinds else ["null"])]}
        if isinstance(schema.get("enum"), list):
            wider["enum"] = [*schema["enum"], None]
        return wider
    description = {key: schema[key] for key in ("description",) if key in schema}
    inner = {key: value for key, value in schema.items() if key not in description}
    if set(inner) == {"anyOf"}:
        return {"anyOf": [*inner["anyOf"], {"type": "null"}], **description}
    return {"anyOf": [inner, {"type": "null"}], **description}


def without_nulls(value: Any, schema: Any, root: JsonObject, depth: int = 0) -> Any:
    """Return arguments without the nulls that the client's ``schema`` does not accept.

    ``root`` is the document that references in ``schema`` refer to.
    """
    schema = _resolved(schema, root)
    if not isinstance(schema, dict) or depth > _MAX_DEPTH:
        return value
    if isinstance(value, list):
        return [without_nulls(each, schema.get("items"), root, depth + 1) for each in value]
    if not isinstance(value, dict):
        return value
    schema = _branch(value, schema, root)
    properties, required = schema.get("properties") or {}, schema.get("required") or ()
    members: JsonObject = {}
    for name, inner in value.items():
        known = properties.get(name)
        optional = name in properties and name not in required
        if inner is None and optional and not is_nullable(_resolved(known, root)):
            continue
        members[name] = without_nulls(inner, known, root, depth + 1)
    return members


def _resolved(schema: Any, root: JsonObject) -> Any:
    """Return the target of a reference within ``root``."""
    for _ in range(8):
        reference = schema.get("$ref") if isinstance(schema, dict) else None
        if not isinstance(reference, str) or not reference.startswith("#"):
            return schema
        schema = root
        for step in reference.removeprefix("#").split("/")[1:]:
            step = step.replace("~1", "/").replace("~0", "~")
            schema = schema.get(step) if isinstance(schema, dict) else None
    return None


def _branch(value: JsonObject, schema: JsonObject, root: JsonObject) -> JsonObject:
    """Return the first alternative that has all members of an object."""
    for inner in schema.get("anyOf") or ():
        found = _resolved(inner, root)
        if is_object(found) and set(value) <= set(found.get("properties") or ()):
            assert isinstance(found, dict)
            return found
    return schema


class NullArgumentPass:
    """Removes nulls from the arguments of functions that were made strict.

    The arguments of such a call are held back until they are complete.
    """

    handles: tuple[type[Any], ...] = (ToolCallStart, ToolCallDelta, ToolCallEnd)

    def __init__(self, schemas: Mapping[str, JsonObject]) -> None:
        self._schemas = schemas
        self._open: dict[int, tuple[JsonObject, list[str]]] = {}

    def feed(self, event: Event) -> Sequence[Event]:
        """Return the events that replace ``event``."""
        match event:
            case ToolCallStart():
                schema = self._schemas.get(event.name)
                if schema is not None:
                    self._open[event.call] = (schema, [])
            case ToolCallDelta() if event.call in self._open:
                self._open[event.call][1].append(event.arguments)
                return ()
            case ToolCallEnd() if event.call in self._open:
                schema, pieces = self._open.pop(event.call)
                text = _cleaned("".join(pieces), schema)
                if text:
                    return (ToolCallDelta(event.call, text, event.choice), event)
        return (event,)

    def close(self) -> Sequence[Event]:
        """Return no events: an incomplete call must not be executed."""
        return ()


def _cleaned(text: str, schema: JsonObject) -> str:
    try:
        value = msgspec.json.decode(text.encode())
    except (ValueError, RecursionError):
        return text
    cleaned = without_nulls(value, schema, schema)
    return text if cleaned == value else msgspec.json.encode(cleaned).decode()
