"""Anthropic's errors for a body that does not fit its schema; pure."""

from __future__ import annotations

from typing import Any, Final

from msgspec import Struct, inspect

from antigravity.simulator.errors import ApiError
from antigravity.simulator.validation.schema import Problem, name_type, read_value

_ARTICLES: Final = {"object": "an object", "array": "a valid list"}


def read_body(body: dict[str, Any], schema: type[Struct]) -> dict[str, Any]:
    """Return the body without members that are null.

    :raises ApiError: if the body does not fit, with Anthropic's message.
    """
    found, problems = read_value(body, schema)
    if problems:
        raise ApiError(400, _check_message(problems[0]))
    return dict(found)


def _check_message(problem: Problem) -> str:
    kind, path, value, expected = problem
    place = ".".join(map(str, path))
    match kind:
        case "missing":
            return f"{place}: Field required"
        case "unknown":
            return f"{place}: Extra inputs are not permitted"
        case "tag" if len(expected) > 1:
            tags = ", ".join(f"'{tag}'" for tag in expected)
            return (
                f"{'.'.join(map(str, path[:-1]))}: Input tag '{value}' found using '{path[-1]}' "
                f"does not match any of the expected tags: {tags}"
            )
        case "choice" | "tag":
            names = [f"'{name}'" for name in expected]
            listed = " or ".join([", ".join(names[:-1]), names[-1]] if names[1:] else names)
            return f"{place}: Input should be {listed}"
        case "long":
            return f"{place}: String should have at most {expected} characters"
        case "pattern":
            return f"{place}: String should match pattern '{expected}'"
        case "range" if isinstance(expected, inspect.FloatType):
            return f"{place}: range: {expected.ge}..{expected.le}"
        case "range":
            return f"{place}: Input should be greater than or equal to {expected.ge}"
    return f"{place}: Input should be {_describe(expected)}"


def _describe(kind: inspect.Type) -> str:
    if isinstance(kind, inspect.DictType):
        return "a valid dictionary"
    name = name_type(kind)
    if "array" in name:
        return "a valid list"
    return _ARTICLES.get(name, f"a valid {name}")
