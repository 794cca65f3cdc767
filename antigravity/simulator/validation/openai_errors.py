"""OpenAI's errors for a body that does not fit its schema; pure."""

from __future__ import annotations

from typing import Any, NoReturn

from msgspec import Struct, inspect

from antigravity.simulator.errors import ApiError
from antigravity.simulator.validation.schema import (
    Path,
    Problem,
    Tag,
    json_type,
    name_type,
    read_value,
)


def read_body(
    body: dict[str, Any], schema: type[Struct], *, unrecognized: bool = False
) -> dict[str, Any]:
    """Return the body without members that are null.

    :param unrecognized: whether all unknown arguments are reported together, and first.
    :raises ApiError: if the body does not fit, with OpenAI's message.
    """
    found, problems = read_value(body, schema)
    unknown = [str(each.path[0]) for each in problems if each[0] == "unknown" and not each.path[1:]]
    if unrecognized and unknown:
        plural = "s" if len(unknown) > 1 else ""
        raise ApiError(400, f"Unrecognized request argument{plural} supplied: {', '.join(unknown)}")
    if problems:
        raise render_problem(problems[0])
    return dict(found)


def render_problem(problem: Problem) -> ApiError:
    """Return OpenAI's error for a problem."""
    kind, path, value, expected = problem
    param = name_param(path)
    match kind:
        case "missing":
            return _missing(param)
        case "unknown":
            return _error(f"Unknown parameter: '{param}'.", param, "unknown_parameter")
        case "choice":
            return _check_tool_choice(value, expected, param)
        case "tag":
            # Tags of the input's items and parts are reported under the object's own name.
            return _check_tool_choice(
                value, expected, name_param(path[:-1]) if path[0] == "input" else param
            )
        case "short":
            return _error(
                f"Invalid '{param}': empty array. Expected an array with minimum length "
                f"{expected}, but got an empty array instead.",
                param,
                "empty_array",
            )
        case "long":
            noun = "array" if isinstance(value, list) else "string"
            return _error(
                f"Invalid '{param}': {noun} too long. Expected {_with_article(noun)} with maximum "
                f"length {expected}, but got {_with_article(noun)} with length {len(value)} "
                "instead.",
                param,
                f"{noun}_above_max_length",
            )
        case "pattern":
            return _error(
                f"Invalid '{param}': string does not match pattern. Expected a string that "
                f"matches the pattern '{expected}'.",
                param,
                "invalid_value",
            )
        case "range":
            return _check_range(param, value, expected)
    return _error(
        f"Invalid type for '{param}': expected {_with_article(name_type(expected))}, but got "
        f"{_with_article(json_type(value))} instead.",
        param,
        "invalid_type",
    )


def name_param(path: Path) -> str:
    """Return a path as OpenAI writes it: ``messages[2].role``."""
    steps = [step for step in path if not isinstance(step, Tag)]
    name = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps)
    return name.removeprefix(".")


def refuse_missing(param: str) -> NoReturn:
    """Refuse a request because a parameter is missing.

    :raises ApiError: always.
    """
    raise _missing(param)


def check_choice(value: Any, allowed: tuple[str, ...], param: str) -> None:
    """Refuse a value that is not one of those allowed.

    :raises ApiError: with OpenAI's message.
    """
    if value not in allowed:
        raise _check_tool_choice(value, allowed, param)


def _error(message: str, param: str, code: str) -> ApiError:
    return ApiError(400, message, param=param, code=code)


def _missing(param: str) -> ApiError:
    return _error(f"Missing required parameter: '{param}'.", param, "missing_required_parameter")


def _check_tool_choice(value: Any, allowed: tuple[Any, ...], param: str) -> ApiError:
    names = [f"'{name}'" for name in allowed]
    listed = f"{', '.join(names[:-1])}, and {names[-1]}" if len(names) > 2 else " and ".join(names)
    message = f"Invalid value: '{value}'. Supported values are: {listed}."
    return _error(message, param, "invalid_value")


def _check_range(param: str, value: float, kind: Any) -> ApiError:
    noun = "integer" if isinstance(kind, inspect.IntType) else "decimal"
    below = kind.ge is not None and value < kind.ge
    side, sign, bound = ("minimum", ">=", kind.ge) if below else ("maximum", "<=", kind.le)
    where = "below" if below else "above"
    return _error(
        f"Invalid '{param}': {noun} {where} {side} value. Expected a value {sign} {bound}, but got "
        f"{value} instead.",
        param,
        f"{noun}_{where}_{side[:3]}_value",
    )


def _with_article(noun: str) -> str:
    if noun.startswith("one of") or noun == "null":
        return noun
    return f"{'an' if noun[0] in 'aeio' else 'a'} {noun}"
