"""What OpenAI refuses of JSON Schemas and tool lists; pure."""

from __future__ import annotations

import re
from typing import Any, Final, NoReturn

from antigravity.simulator.strict.json_schema import malformed, walk_schema, wrong_type
from antigravity.simulator.strict.refusal import refuse

#: Keywords that strict schemas may not have.
_NOT_STRICT: Final = (
    "allOf", "oneOf", "not", "if", "then", "else", "dependentRequired", "dependentSchemas",
    "patternProperties", "propertyNames", "minLength", "maxLength", "uniqueItems",
    "minProperties", "maxProperties", "contains", "default",
)  # fmt: skip
_NAME: Final = re.compile(r"[a-zA-Z0-9_-]+")


def check_name(name: Any, param: str) -> None:
    """Refuse a missing or wrong name.

    :raises ApiError: as the service words it.
    """
    if name is None:
        missing(param)
    if not isinstance(name, str):
        refuse(f"Invalid type for '{param}': expected a string.", param, "invalid_type")
    if len(name) > 64:
        refuse(
            f"Invalid '{param}': string too long. Expected a string with maximum length 64, but "
            f"got a string with length {len(name)} instead.",
            param,
            "string_above_max_length",
        )
    if not _NAME.fullmatch(name):
        refuse(
            f"Invalid '{param}': string does not match pattern. Expected a string that matches "
            "the pattern '^[a-zA-Z0-9_-]+$'.",
            param,
            "invalid_value",
        )


def missing(param: str) -> NoReturn:
    """Refuse because a parameter is missing.

    :raises ApiError: always.
    """
    refuse(f"Missing required parameter: '{param}'.", param, "missing_required_parameter")


def _where(context: tuple[str, ...]) -> str:
    inner = ", ".join(f"'{step}'" for step in context)
    return f"({inner},)" if len(context) == 1 else f"({inner})"


def check_function(function: dict[str, Any], param: str) -> None:
    """Refuse a function whose parameters are no schema.

    :raises ApiError: as the service words it.
    """
    schema = function.get("parameters")
    if schema is None and function.get("strict") is not True:
        return
    schema = {"type": "object"} if schema is None else schema
    subject, param = f"function '{function['name']}'", f"{param}.parameters"
    code = "invalid_function_parameters"
    if not isinstance(schema, dict):
        refuse(f"Invalid schema for {subject}: {schema!r} is not of type 'object'.", param, code)
    if schema and schema.get("type") != "object":
        refuse(
            f"Invalid schema for {subject}: schema must be a JSON Schema of 'type: \"object\"', "
            f"got 'type: \"{schema.get('type')}\"'.",
            param,
            code,
        )
    check_schema(schema, subject, param, code, strict=function.get("strict") is True)


def check_schema(schema: Any, subject: str, param: str, code: str | None, strict: bool) -> None:
    """Refuse a wrong schema, and what strict mode does not take.

    :raises ApiError: as the service words it.
    """
    problem = malformed(schema)
    if problem is not None:
        refuse(f"Invalid schema for {subject}: {problem} is not valid JSON Schema.", param, code)
    wrong = wrong_type(schema)
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
    """Refuse a JSON Schema format without a name or with a wrong schema.

    :raises ApiError: as the service words it.
    """
    check_name(form.get("name"), f"{param}.name")
    if form.get("schema") is None:
        if form.get("strict"):
            missing(f"{param}.schema")
        return
    check_schema(
        form["schema"],
        f"response_format '{form['name']}'",
        param.removesuffix(".json_schema"),
        None,
        strict=form.get("strict") is True,
    )


def one_of(value: Any, allowed: tuple[str, ...], param: str) -> None:
    """Refuse a value that is not one of those allowed.

    :raises ApiError: as the service words it.
    """
    if value in allowed:
        return
    names = [f"'{name}'" for name in allowed]
    listed = f"{', '.join(names[:-1])}, and {names[-1]}" if len(names) > 2 else " and ".join(names)
    refuse(f"Invalid value: '{value}'. Supported values are: {listed}.", param, "invalid_value")


def reasons(model: str) -> bool:
    """Return whether the model is one of those that take no sampling parameters."""
    return re.match(r"gpt-5(?:-|$)|o[134](?:-|$)", model) is not None


def number(body: dict[str, Any], name: str, low: float, high: float) -> None:
    """Refuse a number out of its range.

    :raises ApiError: as the service words it.
    """
    value = body.get(name)
    if value is None:
        return
    if not isinstance(value, int | float) or isinstance(value, bool):
        refuse(
            f"Invalid type for '{name}': expected a decimal, but got something else.",
            name,
            "invalid_type",
        )
    side = "below minimum" if value < low else "above maximum" if value > high else ""
    if side:
        sign, bound = (">=", low) if value < low else ("<=", high)
        refuse(
            f"Invalid '{name}': decimal {side} value. Expected a value {sign} {bound}, but got "
            f"{value} instead.",
            name,
            f"decimal_{side.replace(' ', '_')}_value".replace("minimum", "min").replace(
                "maximum", "max"
            ),
        )
