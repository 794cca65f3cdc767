"""The response object, which is a whole response or the end of a stream."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from msgspec import Raw, Struct

from antigravity.ir.call import ReplyContext
from antigravity.ir.errors import (
    ContextLengthError,
    GatewayError,
    InvalidRequestError,
    QuotaExhaustedError,
    RateLimitedError,
)
from antigravity.ir.events import FinishReason
from antigravity.ir.usage import Usage
from antigravity.protocols.openai_responses.schema import MALFORMED, JsonObject

#: The reasons of incomplete responses, by finish reason; with others a response is complete.
INCOMPLETE: Final[dict[FinishReason, str | None]] = {
    "length": "max_output_tokens",
    "content_filter": "content_filter",
    "pause": None,  # the protocol has no reason for that
}


class _Echo(Struct):
    """The fields of a request that its response repeats."""

    background: Any = None
    frequency_penalty: Any = None
    instructions: Any = None
    max_output_tokens: Any = None
    max_tool_calls: Any = None
    metadata: Any = None
    parallel_tool_calls: Any = None
    presence_penalty: Any = None
    previous_response_id: Any = None
    prompt_cache_key: Any = None
    reasoning: Any = None
    safety_identifier: Any = None
    store: Any = None
    temperature: Any = None
    text: Any = None
    tool_choice: Any = None
    tools: Any = None
    top_logprobs: Any = None
    top_p: Any = None
    truncation: Any = None
    user: Any = None


class ResponseObject:
    """Encoder of one response object in each of its states.

    The object has every member that Open Responses requires; numbers have the API's defaults.
    """

    def __init__(self, context: ReplyContext) -> None:
        self._seconds = context.seconds
        self.id: Final = context.new_id("resp_")
        self._head = {
            "id": self.id,
            "object": "response",
            "created_at": context.created,
        }
        self._tail = {"model": context.model, **_echo(context.call.body)}

    def encode(
        self,
        status: str,
        output: Sequence[JsonObject] = (),
        usage: Usage | None = None,
        error: JsonObject | None = None,
        incomplete: str | None = None,
    ) -> bytes:
        """Return the response as JSON."""
        details = {"reason": incomplete} if incomplete else None
        return msgspec.json.encode(
            {
                **self._head,
                "completed_at": self._seconds() if status == "completed" else None,
                "status": status,
                "error": error,
                "incomplete_details": details,
                **self._tail,
                "output": output,
                "usage": None if usage is None else encode_usage(usage),
            }
        )


def _echo(body: bytes) -> JsonObject:
    """Return the fields of a request that its response repeats, with the protocol's defaults."""
    try:
        echo = msgspec.json.decode(body, type=_Echo)
    except MALFORMED:
        echo = _Echo()
    text = echo.text if isinstance(echo.text, dict) else {}
    reasoning = echo.reasoning if isinstance(echo.reasoning, dict) else {}
    tools = echo.tools if isinstance(echo.tools, list) else []
    fields: JsonObject = {
        "background": False,
        "frequency_penalty": _number(echo.frequency_penalty, 0),
        "instructions": echo.instructions,
        "max_output_tokens": echo.max_output_tokens,
        "max_tool_calls": echo.max_tool_calls,
        "metadata": echo.metadata or {},
        "parallel_tool_calls": echo.parallel_tool_calls is not False,
        "presence_penalty": _number(echo.presence_penalty, 0),
        "previous_response_id": echo.previous_response_id,
        "prompt_cache_key": echo.prompt_cache_key,
        "reasoning": {"effort": None, "summary": None, **reasoning},
        "safety_identifier": echo.safety_identifier,
        "service_tier": "default",
        "store": echo.store is not False,
        "temperature": _number(echo.temperature, 1),
        "text": {**text, "format": _format(text.get("format"))},
        "tool_choice": echo.tool_choice or "auto",
        "tools": [_declared(tool) for tool in tools],
        "top_logprobs": _number(echo.top_logprobs, 0),
        "top_p": _number(echo.top_p, 1),
        "truncation": echo.truncation or "disabled",
        "user": echo.user,
    }
    #  Tools are large and the object is sent three times: encode them once.
    return {name: Raw(msgspec.json.encode(value)) for name, value in fields.items()}


def _number(value: Any, default: float) -> float:
    """Return ``value`` if it is a number, else ``default``."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return value if is_number else default


def _format(value: Any) -> Any:
    """Return a text format with the fields that response objects always have."""
    if isinstance(value, dict) and value.get("type") == "json_schema":
        return {"description": None, "strict": False, **value}
    return value or {"type": "text"}


def _declared(tool: Any) -> Any:
    """Return a tool with the fields that response objects always have."""
    if not isinstance(tool, dict):
        return tool
    if tool.get("type") == "function":
        return {"description": None, "parameters": None, "strict": None, **tool}
    if tool.get("type") == "namespace":
        return {**tool, "description": tool.get("description") or ""}
    return tool


def encode_usage(usage: Usage) -> JsonObject:
    """Return the ``usage`` object; openai 3.x requires every field."""
    return {
        "input_tokens": usage.input_total,
        "input_tokens_details": {
            "cached_tokens": usage.cached,
            "cache_write_tokens": usage.cache_write,
        },
        "output_tokens": usage.output,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning},
        "total_tokens": usage.total,
    }


def failure(error: GatewayError) -> JsonObject:
    """Return the ``error`` of a failed response.

    The codes are those that Codex handles; it reads the delay of a rate limit from the message.
    """
    message, code = error.message, "server_error"
    if isinstance(error, ContextLengthError):
        code = "context_length_exceeded"
    elif isinstance(error, QuotaExhaustedError):
        code = "insufficient_quota"
    elif isinstance(error, RateLimitedError):
        code = "rate_limit_exceeded"
        if error.retry_after is not None and "try again in" not in message.lower():
            message = f"{message} Please try again in {error.retry_after:.3f}s."
    elif isinstance(error, InvalidRequestError):
        code = "invalid_prompt"
    return {"code": code, "message": message}
