"""A streamed request after a round of tools, with an image, for clients of every protocol."""

from __future__ import annotations

from typing import Any, Final

IMAGE: Final = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJg"
    "gg=="
)
ASKED: Final = "Which city is that, and how is the weather?"
SAID: Final = "I look it up."
FOUND: Final = "Sunny."
SCHEMA: Final = {"type": "object", "properties": {"city": {"type": "string"}}}
ARGUMENTS: Final = '{"city": "Bonn"}'
_URL: Final = f"data:image/png;base64,{IMAGE}"
_FUNCTION: Final = {"name": "f", "description": "Look up", "parameters": SCHEMA}
_CALL: Final = {"id": "call_1", "type": "function", "function": {"name": "f"}}

ROUNDS: Final[dict[str, dict[str, Any]]] = {
    "openai_chat": {
        "messages": [
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": ASKED},
                    {"type": "image_url", "image_url": {"url": _URL}},
                ],
            },
            {
                "role": "assistant",
                "content": SAID,
                "tool_calls": [{**_CALL, "function": {"name": "f", "arguments": ARGUMENTS}}],
            },
            {"role": "tool", "tool_call_id": "call_1", "content": FOUND},
        ],
        "tools": [{"type": "function", "function": _FUNCTION}],
        "max_completion_tokens": 30_000,
        "stream": True,
        "stream_options": {"include_usage": True},
    },
    "openai_responses": {
        "input": [
            {
                "role": "user",
                "content": [
                    {"type": "input_text", "text": ASKED},
                    {"type": "input_image", "image_url": _URL},
                ],
            },
            {"role": "assistant", "content": SAID},
            {"type": "function_call", "call_id": "call_1", "name": "f", "arguments": ARGUMENTS},
            {"type": "function_call_output", "call_id": "call_1", "output": FOUND},
        ],
        "tools": [{"type": "function", **_FUNCTION, "strict": False}],
        "max_output_tokens": 30_000,
        "stream": True,
    },
    "anthropic": {
        "messages": [
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": ASKED},
                    {
                        "type": "image",
                        "source": {"type": "base64", "media_type": "image/png", "data": IMAGE},
                    },
                ],
            },
            {
                "role": "assistant",
                "content": [
                    {"type": "text", "text": SAID},
                    {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {"city": "Bonn"}},
                ],
            },
            {
                "role": "user",
                "content": [{"type": "tool_result", "tool_use_id": "toolu_1", "content": FOUND}],
            },
        ],
        "tools": [{"name": "f", "description": "Look up", "input_schema": SCHEMA}],
        "max_tokens": 30_000,
        "stream": True,
    },
    "gemini": {
        "contents": [
            {
                "role": "user",
                "parts": [
                    {"text": ASKED},
                    {"inlineData": {"mimeType": "image/png", "data": IMAGE}},
                ],
            },
            {
                "role": "model",
                "parts": [
                    {"text": SAID},
                    {"functionCall": {"name": "f", "args": {"city": "Bonn"}}},
                ],
            },
            {
                "role": "user",
                "parts": [{"functionResponse": {"name": "f", "response": {"result": FOUND}}}],
            },
        ],
        "tools": [{"functionDeclarations": [{"name": "f", "parametersJsonSchema": SCHEMA}]}],
        "generationConfig": {"maxOutputTokens": 30_000},
        "stream": True,
    },
    "gemini_interactions": {
        "input": [
            {
                "type": "user_input",
                "content": [
                    {"type": "text", "text": ASKED},
                    {"type": "image", "data": IMAGE, "mime_type": "image/png"},
                ],
            },
            {"type": "model_output", "content": [{"type": "text", "text": SAID}]},
            {"type": "function_call", "id": "c1", "name": "f", "arguments": {"city": "Bonn"}},
            {
                "type": "function_result",
                "call_id": "c1",
                "name": "f",
                "result": [{"type": "text", "text": FOUND}],
            },
        ],
        "tools": [{"type": "function", **_FUNCTION}],
        "generation_config": {"max_output_tokens": 30_000},
        "stream": True,
    },
}
