"""The schemas of OpenAI's Chat Completions and (legacy) Completions APIs.

Source: https://platform.openai.com/docs/api-reference/chat
"""

from __future__ import annotations

from typing import Annotated, Any, Final

from msgspec import Meta

from antigravity.simulator.validation.schema import array, choice, optional, struct

NAME: Final = Annotated[str, Meta(max_length=64, pattern="^[a-zA-Z0-9_-]+$")]
#: What a client calls a user or a cache.
IDENTIFIER: Final = Annotated[str, Meta(max_length=64)]
OBJECT: Final = dict[str, Any]
EFFORT: Final = choice("none minimal low medium high xhigh max")
TEMPERATURE: Final = Annotated[float, Meta(ge=0, le=2)] | None
PROBABILITY: Final = Annotated[float, Meta(ge=0, le=1)] | None
_PENALTY: Final = Annotated[float, Meta(ge=-2, le=2)]
_LIMIT: Final = Annotated[int, Meta(ge=1, le=1_000_000)]
_ID: Final = Annotated[str, Meta(max_length=40)]
FUNCTION: Final = {
    "name": NAME,
    "description": str | None,
    "parameters": OBJECT | None,
    "strict": bool | None,
}
JSON_SCHEMA: Final = {
    "name": NAME,
    "description": str | None,
    "schema": OBJECT | None,
    "strict": bool | None,
}
_FILE: Final = struct({"file_id": str | None, "file_data": str | None, "filename": str | None})
_PART: Final = (
    struct({"text": str}, tag="text")
    | struct({"image_url": struct({"url": str, "detail": str | None})}, tag="image_url")
    | struct({"input_audio": struct({"data": str, "format": choice("wav mp3")})}, tag="input_audio")
    | struct({"refusal": str}, tag="refusal")
    | struct({}, tag="audio")
    | struct({"file": _FILE}, tag="file")
)
_VIDEO: Final = struct({"video_url": struct({"url": str})}, tag="video_url")
_CALL: Final = struct(
    {"id": _ID, "function": struct({"name": NAME, "arguments": str})}, tag="function"
) | struct({"id": _ID, "custom": struct({"name": NAME, "input": str})}, tag="custom")


def _message(part: Any, closed: bool) -> Any:
    return struct(
        {
            **optional(str, "name refusal reasoning_content tool_call_id"),
            "role": choice("system assistant user function tool developer"),
            "content": str | array(part, min_length=1) | None,
            "reasoning": str | OBJECT | None,
            "tool_calls": array(_CALL, min_length=1) | None,
            **optional(Any, "annotations audio function_call images"),
        },
        closed=closed,
    )


_CUSTOM: Final = struct({"name": NAME, "description": str | None})
_NAMED: Final = struct({"name": str})
_ALLOWED: Final = {
    "mode": str | None,
    "tools": array(
        struct(
            {"type": str, "name": str | None, "function": _NAMED | None, "custom": _NAMED | None}
        )
    )
    | None,
}
#: The choice of some tools, which two APIs write alike.
ALLOWED_TOOLS: Final = struct(
    {**_ALLOWED, "allowed_tools": struct(_ALLOWED) | None}, tag="allowed_tools"
)
_CHOICE: Final = (
    choice("none auto required")
    | struct({"function": _NAMED}, tag="function")
    | ALLOWED_TOOLS
    | struct({"custom": _NAMED}, tag="custom")
)
_STREAM_OPTIONS: Final = struct({"include_usage": bool | None, "include_obfuscation": bool | None})
_SAMPLING: Final = {
    "model": str | None,
    **optional(_PENALTY, "frequency_penalty presence_penalty"),
    "logit_bias": OBJECT | None,
    "max_tokens": _LIMIT | None,
    "seed": int | None,
    "stream": bool | None,
    "user": IDENTIFIER | None,
    "n": Annotated[int, Meta(ge=1, le=128)] | None,
    "stop": str | array(str, max_length=4) | None,
    "stream_options": _STREAM_OPTIONS | None,
    "temperature": TEMPERATURE,
    "top_p": PROBABILITY,
}
_CHAT: Final = {
    **_SAMPLING,
    **optional(bool, "logprobs parallel_tool_calls"),
    "max_completion_tokens": _LIMIT | None,
    "metadata": OBJECT | None,
    "modalities": list[str] | None,
    **optional(IDENTIFIER, "prompt_cache_key safety_identifier"),
    "verbosity": str | None,
    "messages": array(_message(_PART, closed=True), min_length=1),
    "audio": struct({"voice": str | OBJECT | None, "format": str | None}) | None,
    "reasoning_effort": EFFORT | None,
    "response_format": struct({}, tag="json_object")
    | struct({"json_schema": struct(JSON_SCHEMA)}, tag="json_schema")
    | struct({}, tag="text")
    | None,
    "tool_choice": _CHOICE | None,
    "tools": array(
        struct({"function": struct(FUNCTION)}, tag="function")
        | struct({"custom": _CUSTOM}, tag="custom"),
        min_length=1,
    )
    | None,
    "top_logprobs": Annotated[int, Meta(ge=0, le=20)] | None,
    **optional(
        Any,
        """function_call functions moderation prediction prompt_cache_options
        prompt_cache_retention service_tier store web_search_options""",
    ),
}
CHAT: Final = struct(_CHAT, closed=True)
#: Compatible services accept any field.
COMPATIBLE_CHAT: Final = struct(
    {
        **_CHAT,
        "messages": array(_message(_PART | _VIDEO, closed=False), min_length=1),
        "thinking": struct({"type": str | None}) | None,
    }
)
#: A prompt is a text or its tokens, or a list of either.
COMPLETION: Final = struct(
    {
        **_SAMPLING,
        **optional(int, "best_of logprobs"),
        "echo": bool | None,
        "suffix": str | None,
        "prompt": str | array(str | int | list[int], min_length=1),
    },
    closed=True,
)
