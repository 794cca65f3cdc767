"""The types of the members of Anthropic's requests; pure."""

from __future__ import annotations

from typing import Any, Final

from antigravity.simulator.strict.refusal import refuse
from antigravity.simulator.strict.shapes import (
    ARRAY,
    BOOLEAN,
    INTEGER,
    NUMBER,
    OBJECT,
    TEXT,
    MismatchError,
    conform,
)

_CACHE: Final = {"type": TEXT, "ttl": TEXT}
_SOURCE: Final = {
    "type": TEXT,
    "media_type": TEXT,
    "data": TEXT,
    "url": TEXT,
    "file_id": TEXT,
    "content": (TEXT, [OBJECT]),
}
_INNER: Final = {
    "type": TEXT,
    "text": TEXT,
    "title": TEXT,
    "cache_control": _CACHE,
    "source": (TEXT, _SOURCE),
    "content": (TEXT, [OBJECT]),
    "tool_name": TEXT,
}
_BLOCK: Final = {
    **_INNER,
    "content": (TEXT, [_INNER], OBJECT),
    "context": TEXT,
    "citations": (OBJECT, [OBJECT]),
    "data": TEXT,
    "id": TEXT,
    "input": OBJECT,
    "is_error": BOOLEAN,
    "name": TEXT,
    "signature": TEXT,
    "thinking": TEXT,
    "tool_use_id": TEXT,
}
_FORMAT: Final = {"type": TEXT, "schema": OBJECT}
MESSAGE: Final = {
    "cache_control": _CACHE,
    "max_tokens": INTEGER,
    "messages": [{"role": TEXT, "content": (TEXT, [_BLOCK])}],
    "metadata": {"user_id": TEXT},
    "model": TEXT,
    "output_config": {"effort": TEXT, "format": _FORMAT, "task_budget": OBJECT},
    "output_format": _FORMAT,
    "service_tier": TEXT,
    "stop_sequences": [TEXT],
    "stream": BOOLEAN,
    "system": (TEXT, [{"type": TEXT, "text": TEXT, "cache_control": _CACHE}]),
    "temperature": NUMBER,
    "thinking": {"type": TEXT, "budget_tokens": INTEGER, "display": TEXT, "block_binding": OBJECT},
    "tool_choice": {"type": TEXT, "name": TEXT, "disable_parallel_tool_use": BOOLEAN},
    "tools": [
        {
            "cache_control": _CACHE,
            "description": TEXT,
            "input_schema": OBJECT,
            "name": TEXT,
            "strict": BOOLEAN,
            "type": TEXT,
        }
    ],
    "top_k": INTEGER,
    "top_p": NUMBER,
}
_EXPECTED: Final = {
    TEXT: "a valid string",
    NUMBER: "a valid number",
    INTEGER: "a valid integer",
    BOOLEAN: "a valid boolean",
    OBJECT: "an object",
    ARRAY: "a valid list",
}


def check_shape(body: dict[str, Any]) -> dict[str, Any]:
    """Return the body without members that are null.

    :raises ApiError: if a member is of another type, as the service words it.
    """
    try:
        conformed: dict[str, Any] = conform(body, MESSAGE)
    except MismatchError as error:
        expected = ARRAY if error.expected.startswith(ARRAY) else error.expected
        kind = "a valid list" if "array" in expected else _EXPECTED.get(expected, expected)
        refuse(f"{'.'.join(map(str, error.path))}: Input should be {kind}")
    return conformed
