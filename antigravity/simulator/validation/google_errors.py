"""Read bodies like Google's services, with Google's errors for those that do not fit; pure.

The services read JSON as protocol buffers: every object is a message whose fields are known,
each under its camelCase and its snake_case name, and all that does not fit is refused together,
each with its path.  A single value stands for a list of one, numbers can be texts, and names of
enumerations can be numbers.
"""

from __future__ import annotations

import json
import re
from functools import cache
from typing import Any, Final

from msgspec import Struct, inspect

from antigravity.simulator.errors import ApiError
from antigravity.simulator.validation.data_urls import is_base64
from antigravity.simulator.validation.schema import describe, without_metadata, without_null

_PREFIX: Final = "Invalid JSON payload received. Unknown name"
_PACKAGE: Final = "type.googleapis.com/google.ai.generativelanguage.v1beta"
_STRUCT: Final = describe(dict[str, Any])
_JSON_SCHEMAS: Final = frozenset(("parametersJsonSchema", "responseJsonSchema"))


def read_body(
    body: dict[str, Any], schema: type[Struct], *, json_schema: bool = True
) -> dict[str, Any]:
    """Return the body in camelCase, without members that are null.

    :param json_schema: whether fields for raw JSON Schemas are known.
    :raises ApiError: if any field is unknown or has a wrong type, with Google's message.
    """
    reader = _Reader(frozenset() if json_schema else _JSON_SCHEMAS)
    result: dict[str, Any] = reader.read(body, describe(schema), "")
    if reader.violations:
        text = "\n".join(description for _, description in reader.violations)
        raise ApiError(400, text, violations=tuple(reader.violations))
    return result


def snake(name: str) -> str:
    """Return the snake_case form of a camelCase name."""
    return re.sub(r"[A-Z]", lambda match: "_" + match[0].lower(), name)


@cache
def _fields(kind: type[Struct]) -> dict[str, inspect.Field]:
    """Return the fields of a message by both their names."""
    return {
        name: field
        for field in describe(kind).fields
        for name in (field.encode_name, snake(field.encode_name))
    }


class _Reader:
    """Reads one value; collects its violations, each with its path."""

    def __init__(self, hidden: frozenset[str]) -> None:
        self.violations: list[tuple[str, str]] = []
        self._hidden = hidden

    def read(self, value: Any, kind: inspect.Type, path: str) -> Any:
        if isinstance(kind, inspect.UnionType) and len(without_null(kind)) == 1:
            kind = without_null(kind)[0]
        if isinstance(kind, inspect.ListType):
            items = value if isinstance(value, list) else [value]
            return [
                self._value(item, kind.item_type, f"{path}[{index}]")
                for index, item in enumerate(items)
            ]
        is_map = isinstance(kind, inspect.DictType) and kind != _STRUCT
        if isinstance(value, list) and not is_map and not isinstance(kind, inspect.AnyType):
            parent, _, name = path.rpartition(".")
            problem = f"{_PREFIX} \"{name}\" at '{parent}': Proto field is not repeating, cannot "
            self.violations.append((path, f"{problem}start list."))
            return None
        return self._value(value, kind, path)

    def _value(self, value: Any, kind: inspect.Type, path: str) -> Any:
        kind, meta = without_metadata(kind)
        match kind:
            case inspect.StructType():
                return self._check_message(value, kind, path)
            case inspect.DictType() if not isinstance(value, dict):
                name = "type.googleapis.com/google.protobuf.Struct" if kind == _STRUCT else "map"
                return self._expect(False, path, name, value)
            case inspect.DictType() if kind != _STRUCT:
                # The service names an entry of a map by its position.
                return {
                    name: self._value(item, kind.value_type, f"{path}[{index}].value")
                    for index, (name, item) in enumerate(value.items())
                }
            case inspect.LiteralType():
                return self._enumeration(value, meta, path)
        return self._scalar(value, kind, path)

    def _check_message(self, value: Any, kind: inspect.StructType, path: str) -> Any:
        if not isinstance(value, dict):
            return self._expect(False, path, f"{_PACKAGE}.{kind.cls.__name__}", value)
        known, result = _fields(kind.cls), {}
        for name, item in value.items():
            field = known.get(name)
            if field is None or field.encode_name in self._hidden:
                place = f" at '{path}'" if path else ""
                self.violations.append((path, f'{_PREFIX} "{name}"{place}: Cannot find field.'))
            elif item is not None:
                step = snake(field.encode_name)
                here = f"{path}.{step}" if path else step
                result[field.encode_name] = self.read(item, field.type, here)
        return result

    def _scalar(self, value: Any, kind: inspect.Type, path: str) -> Any:
        match kind:
            case inspect.BoolType():
                return self._expect(isinstance(value, bool), path, "TYPE_BOOL", value)
            case inspect.BytesType() if not is_base64(value, url_safe=True):
                shown = json.dumps(value)[:80]
                problem = f"Invalid value at '{path}' (TYPE_BYTES), Base64 decoding failed for "
                self.violations.append((path, problem + shown))
            case inspect.UnionType():
                good = isinstance(value, str | int) and not isinstance(value, bool)
                return self._expect(good, path, "TYPE_ENUM", value)
            case inspect.StrType():
                return self._expect(isinstance(value, str), path, "TYPE_STRING", value)
            case inspect.FloatType():
                good = self._expect(_is_number(value), path, "TYPE_FLOAT", value) is not None
                return float(value) if good else None
            case inspect.IntType():
                whole = _is_number(value) and float(value).is_integer()
                good = self._expect(whole, path, "TYPE_INT32", value) is not None
                return int(float(value)) if good else None
        return value

    def _enumeration(self, value: Any, meta: dict[str, Any], path: str) -> Any:
        names: tuple[str, ...] = meta["values"]
        if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < len(names):
            return names[value]
        name = value.upper() if isinstance(value, str) and meta["any_case"] else value
        self._expect(name in names, path, f"{_PACKAGE}.{meta['title']}", value)
        return name

    def _expect(self, good: bool, path: str, kind: str, value: Any) -> Any:
        """Return a good value; otherwise add a violation and return ``None``."""
        if good:
            return value
        self.violations.append(
            (path, f"Invalid value at '{path}' ({kind}), {json.dumps(value)[:80]}")
        )
        return None


def _is_number(value: Any) -> bool:
    if isinstance(value, str):
        return re.fullmatch(r"-?\d+(\.\d+)?", value) is not None
    return isinstance(value, int | float) and not isinstance(value, bool)
