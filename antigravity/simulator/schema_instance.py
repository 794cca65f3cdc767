"""The smallest instance of a JSON Schema, deterministic; pure."""

from __future__ import annotations

from typing import Any, Final

_DEPTH: Final = 12
#: The limit of characters and items, whatever a schema requires.
_LONGEST: Final = 1000
_FORMATS: Final = {
    "date": "2026-01-01",
    "date-time": "2026-01-01T00:00:00Z",
    "time": "00:00:00Z",
    "email": "user@example.com",
    "uri": "https://example.com/",
    "uuid": "00000000-0000-4000-8000-000000000000",
    "ipv4": "127.0.0.1",
}


def build_instance(schema: Any) -> Any:
    """Return the smallest value that satisfies ``schema``."""
    return _make(schema, schema, _DEPTH)


def _resolve(reference: str, root: Any) -> Any:
    node = root
    for step in reference.removeprefix("#").split("/"):
        if step:
            key = step.replace("~1", "/").replace("~0", "~")
            node = node.get(key, {}) if isinstance(node, dict) else {}
    return node


def _merged(schema: dict[str, Any], root: Any, depth: int = _DEPTH) -> dict[str, Any]:
    """Return the schema with its references and ``allOf`` branches merged in."""
    for _ in range(_DEPTH):
        if "$ref" not in schema:
            break
        target = _resolve(str(schema["$ref"]), root)
        rest = {key: value for key, value in schema.items() if key != "$ref"}
        schema = {**(target if isinstance(target, dict) else {}), **rest}
    merged = {key: value for key, value in schema.items() if key != "allOf"}
    for branch in schema.get("allOf", ()):
        part = _merged(branch, root, depth - 1) if isinstance(branch, dict) and depth else {}
        for key, value in part.items():
            if key == "properties":
                merged["properties"] = {**merged.get("properties", {}), **value}
            elif key == "required":
                merged["required"] = [*merged.get("required", ()), *value]
            else:
                merged.setdefault(key, value)
    return merged


def _make(schema: Any, root: Any, depth: int) -> Any:
    if not isinstance(schema, dict) or depth == 0:
        return "text"
    schema = _merged(schema, root)
    if "const" in schema:
        return schema["const"]
    if schema.get("enum"):
        return schema["enum"][0]
    for keyword in ("anyOf", "any_of", "oneOf"):
        if schema.get(keyword):
            return _make(schema[keyword][0], root, depth - 1)
    return _typed(schema, root, depth)


def _kind(schema: dict[str, Any]) -> str:
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = next((item for item in kind if item != "null"), "null")
    if not isinstance(kind, str):
        kind = "object" if "properties" in schema else "array" if "items" in schema else "string"
    return kind.lower()


def _typed(schema: dict[str, Any], root: Any, depth: int) -> Any:
    match _kind(schema):
        case "object":
            properties = schema.get("properties") or {}
            return {
                name: _make(properties.get(name, {}), root, depth - 1)
                for name in dict.fromkeys(schema.get("required") or ())
            }
        case "array":
            least = _least(schema, "minItems")
            return [_make(schema.get("items", {}), root, depth - 1) for _ in range(least)]
        case "integer" | "number" as kind:
            value = schema.get("minimum", 0)
            if "exclusiveMinimum" in schema:
                value = schema["exclusiveMinimum"] + 1
            return int(value) if kind == "integer" else value
        case "boolean":
            return False
        case "null":
            return None
    text = _FORMATS.get(str(schema.get("format")), "text")
    return text.ljust(_least(schema, "minLength"), "x")


def _least(schema: dict[str, Any], keyword: str) -> int:
    """Return the minimum length of a schema, within the limit."""
    return max(0, min(int(schema.get(keyword) or 0), _LONGEST))
