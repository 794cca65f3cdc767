"""Checks of JSON Schemas by OpenAI; pure."""

from __future__ import annotations

from typing import Any, Final

from antigravity.simulator.errors import refuse
from antigravity.simulator.validation.json_schema import (
    find_malformed,
    find_unknown_type,
    walk_schema,
)

#: Keywords that strict schemas may not have.
_NOT_STRICT: Final = (
    "allOf", "oneOf", "not", "if", "then", "else", "dependentRequired", "dependentSchemas",
    "patternProperties", "propertyNames", "minLength", "maxLength", "uniqueItems",
    "minProperties", "maxProperties", "contains", "default",
)  # fmt: skip


def _where(context: tuple[str, ...]) -> str:
    inner = ", ".join(f"'{step}'" for step in context)
    return f"({inner},)" if len(context) == 1 else f"({inner})"


def check_function(function: dict[str, Any], param: str) -> None:
    """Refuse a function with an invalid schema.

    :raises ApiError: with the service's message, if anything is wrong.
    """
    schema = function.get("parameters")
    if schema is None and function.get("strict") is not True:
        return
    schema = {"type": "object"} if schema is None else schema
    subject, param = f"function '{function['name']}'", f"{param}.parameters"
    code = "invalid_function_parameters"
    if schema and schema.get("type") != "object":
        refuse(
            f"Invalid schema for {subject}: schema must be a JSON Schema of 'type: \"object\"', "
            f"got 'type: \"{schema.get('type')}\"'.",
            param,
            code,
        )
    check_schema(schema, subject, param, code, strict=function.get("strict") is True)


def check_schema(schema: Any, subject: str, param: str, code: str | None, strict: bool) -> None:
    """Refuse an invalid schema, and keywords that strict mode does not support.

    :raises ApiError: with the service's message, if anything is wrong.
    """
    problem = find_malformed(schema)
    if problem is not None:
        refuse(f"Invalid schema for {subject}: {problem} is not valid JSON Schema.", param, code)
    wrong = find_unknown_type(schema)
    if wrong is not None:
        refuse(
            f"Invalid schema for {subject}: '{wrong}' is not valid under any of the given schemas.",
            param,
            code,
        )
    for context, node in walk_schema(schema):
        start = f"Invalid schema for {subject}: In context={_where(context)}, "
        if node.get("type") == "array" and "items" not in node and "prefixItems" not in node:
            refuse(f"{start}array schema missing items.", param, code)
        if not strict:
            continue
        wrong_word = next((word for word in _NOT_STRICT if word in node), None)
        if wrong_word is not None:
            refuse(f"{start}'{wrong_word}' is not permitted.", param, code)
        if node.get("type") != "object":
            continue
        if node.get("additionalProperties") is not False:
            refuse(
                f"{start}'additionalProperties' is required to be supplied and to be false.",
                param,
                code,
            )
        properties, required = node.get("properties") or {}, node.get("required") or []
        absent = [name for name in properties if name not in required]
        if absent:
            refuse(
                f"{start}'required' is required to be supplied and to be an array including every "
                f"key in properties. Missing '{absent[0]}'.",
                param,
                code,
            )


def check_format(form: dict[str, Any], param: str) -> None:
    """Refuse a response format with an invalid schema.

    :raises ApiError: with the service's message, if anything is wrong.
    """
    if "schema" in form:
        subject = f"response_format '{form['name']}'"
        check_schema(form["schema"], subject, param, None, strict=form.get("strict") is True)
