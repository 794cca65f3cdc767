"""The types of the members of OpenAI's requests; pure."""

from __future__ import annotations

from typing import Any, Final

from antigravity.simulator.strict.refusal import refuse
from antigravity.simulator.strict.shapes import (
    BOOLEAN,
    INTEGER,
    NUMBER,
    OBJECT,
    TEXT,
    MismatchError,
    Path,
    conform,
)

_SAMPLING: Final[dict[str, Any]] = {
    "frequency_penalty": NUMBER,
    "logit_bias": OBJECT,
    "max_completion_tokens": INTEGER,
    "max_tokens": INTEGER,
    "model": TEXT,
    "n": INTEGER,
    "presence_penalty": NUMBER,
    "seed": INTEGER,
    "stop": (TEXT, [TEXT]),
    "stream": BOOLEAN,
    "stream_options": {"include_usage": BOOLEAN, "include_obfuscation": BOOLEAN},
    "temperature": NUMBER,
    "top_p": NUMBER,
    "user": TEXT,
}
_FUNCTION: Final = {"name": TEXT, "description": TEXT, "parameters": OBJECT, "strict": BOOLEAN}
_NAMED: Final = {"name": TEXT}
_FORMAT: Final = {"name": TEXT, "description": TEXT, "schema": OBJECT, "strict": BOOLEAN}
_CALL: Final = {
    "id": TEXT,
    "type": TEXT,
    "function": {"name": TEXT, "arguments": TEXT},
    "custom": {"name": TEXT, "input": TEXT},
}
_PART: Final = {
    "type": TEXT,
    "text": TEXT,
    "refusal": TEXT,
    "image_url": {"url": TEXT, "detail": TEXT},
    "input_audio": {"data": TEXT, "format": TEXT},
    "file": {"file_id": TEXT, "file_data": TEXT, "filename": TEXT},
    "video_url": {"url": TEXT},
}
_TOOL_NAME: Final = {"type": TEXT, "name": TEXT, "function": _NAMED, "custom": _NAMED}
CHAT: Final = {
    **_SAMPLING,
    "audio": {"voice": (TEXT, OBJECT), "format": TEXT},
    "logprobs": BOOLEAN,
    "messages": [
        {
            "role": TEXT,
            "content": (TEXT, [_PART]),
            "name": TEXT,
            "refusal": TEXT,
            "reasoning": (TEXT, OBJECT),
            "reasoning_content": TEXT,
            "tool_call_id": TEXT,
            "tool_calls": [_CALL],
        }
    ],
    "metadata": OBJECT,
    "modalities": [TEXT],
    "parallel_tool_calls": BOOLEAN,
    "reasoning_effort": TEXT,
    "response_format": {"type": TEXT, "json_schema": _FORMAT},
    "thinking": {"type": TEXT},
    "tool_choice": (
        TEXT,
        {
            "type": TEXT,
            "function": _NAMED,
            "custom": _NAMED,
            "allowed_tools": {"mode": TEXT, "tools": [_TOOL_NAME]},
            "tools": [_TOOL_NAME],
            "mode": TEXT,
        },
    ),
    "tools": [{"type": TEXT, "function": _FUNCTION, "custom": {"name": TEXT, "description": TEXT}}],
    "top_logprobs": INTEGER,
    "verbosity": TEXT,
}
COMPLETION: Final = {**_SAMPLING, "best_of": INTEGER, "echo": BOOLEAN, "logprobs": INTEGER}
_TOOL: Final = {**_FUNCTION, "type": TEXT}
_ITEM: Final = {
    "type": TEXT,
    "role": TEXT,
    "id": TEXT,
    "call_id": TEXT,
    "name": TEXT,
    "status": TEXT,
    "encrypted_content": TEXT,
}
RESPONSE: Final = {
    "background": BOOLEAN,
    "conversation": (TEXT, {"id": TEXT}),
    "include": [TEXT],
    "input": (TEXT, [_ITEM]),
    "instructions": TEXT,
    "max_output_tokens": INTEGER,
    "max_tool_calls": INTEGER,
    "metadata": OBJECT,
    "model": TEXT,
    "parallel_tool_calls": BOOLEAN,
    "previous_response_id": TEXT,
    "reasoning": {"effort": TEXT, "summary": TEXT, "generate_summary": TEXT},
    "store": BOOLEAN,
    "stream": BOOLEAN,
    "stream_options": {"include_obfuscation": BOOLEAN},
    "temperature": NUMBER,
    "text": {"format": {"type": TEXT, **_FORMAT}, "verbosity": TEXT},
    "tool_choice": (TEXT, {"type": TEXT, "name": TEXT, "mode": TEXT, "tools": [_TOOL_NAME]}),
    "tools": [{**_TOOL, "tools": [_TOOL]}],
    "top_logprobs": INTEGER,
    "top_p": NUMBER,
    "truncation": TEXT,
    "user": TEXT,
}


def check_shape(body: dict[str, Any], shape: dict[str, Any]) -> dict[str, Any]:
    """Return the body without members that are null.

    :raises ApiError: if a member is of another type, as the service words it.
    """
    try:
        conformed: dict[str, Any] = conform(body, shape)
    except MismatchError as error:
        param = _param(error.path)
        refuse(
            f"Invalid type for '{param}': expected {_article(error.expected)}, but got "
            f"{_article(error.got)} instead.",
            param,
            "invalid_type",
        )
    return conformed


def _param(path: Path) -> str:
    name = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return name.removeprefix(".")


def _article(kind: str) -> str:
    if kind.startswith("one of") or kind == "null":
        return kind
    return f"{'an' if kind[0] in 'aeio' else 'a'} {kind}"
