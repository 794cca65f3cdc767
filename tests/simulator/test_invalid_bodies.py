"""No invalid body causes a server error in the simulator."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest
from treq.testing import StubTreq
from twisted.internet import task

from antigravity.simulator.service import build_simulator

PIXEL = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJg"
    "gg=="
)
SCHEMA = {
    "type": "object",
    "properties": {
        "at": {"type": ["string", "null"], "enum": ["x", None]},
        "n": {"$ref": "#/$defs/n"},
    },
    "required": ["at", "n"],
    "additionalProperties": False,
    "$defs": {
        "n": {"anyOf": [{"type": "integer"}, {"type": "array", "items": {"type": "number"}}]}
    },
}
CHAT: dict[str, Any] = {
    "model": "gpt-5.2",
    "messages": [
        {"role": "developer", "content": "Be brief."},
        {
            "role": "user",
            "name": "me",
            "content": [
                {"type": "text", "text": "Look."},
                {
                    "type": "image_url",
                    "image_url": {"url": f"data:image/png;base64,{PIXEL}", "detail": "low"},
                },
                {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}},
                {
                    "type": "file",
                    "file": {
                        "filename": "a.pdf",
                        "file_data": "data:application/pdf;base64,JVBERg==",
                    },
                },
            ],
        },
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {
                    "id": "call_1",
                    "type": "function",
                    "function": {"name": "look", "arguments": "{}"},
                },
                {"id": "call_2", "type": "custom", "custom": {"name": "free", "input": "x"}},
            ],
        },
        {"role": "tool", "tool_call_id": "call_1", "content": [{"type": "text", "text": "seen"}]},
        {"role": "tool", "tool_call_id": "call_2", "content": "done"},
    ],
    "tools": [
        {
            "type": "function",
            "function": {"name": "look", "description": "d", "parameters": SCHEMA, "strict": False},
        },
        {
            "type": "custom",
            "custom": {
                "name": "free",
                "format": {
                    "type": "grammar",
                    "grammar": {"syntax": "lark", "definition": "start: /x/"},
                },
            },
        },
    ],
    "tool_choice": {
        "type": "allowed_tools",
        "allowed_tools": {
            "mode": "auto",
            "tools": [{"type": "function", "function": {"name": "look"}}],
        },
    },
    "response_format": {
        "type": "json_schema",
        "json_schema": {"name": "f", "schema": SCHEMA, "strict": False},
    },
    "stream_options": {"include_usage": True},
    "stream": True,
    "max_completion_tokens": 50,
    "reasoning_effort": "none",
    "metadata": {"a": "b"},
    "store": True,
    "stop": ["x"],
    "logit_bias": {"5": 1},
    "prediction": {"type": "content", "content": "x"},
    "user": "u",
}
RESPONSE: dict[str, Any] = {
    "model": "gpt-5.2",
    "instructions": "Be brief.",
    "input": [
        {
            "role": "user",
            "content": [
                {"type": "input_text", "text": "Look."},
                {"type": "input_image", "image_url": f"data:image/png;base64,{PIXEL}"},
                {
                    "type": "input_file",
                    "filename": "a.pdf",
                    "file_data": "data:application/pdf;base64,JVBERg==",
                },
            ],
        },
        {
            "type": "message",
            "role": "assistant",
            "status": "completed",
            "content": [{"type": "output_text", "text": "ok", "annotations": []}],
        },
        {"type": "function_call", "call_id": "c1", "name": "look", "arguments": "{}"},
        {
            "type": "function_call_output",
            "call_id": "c1",
            "output": [{"type": "input_text", "text": "x"}],
        },
        {"type": "custom_tool_call", "call_id": "c2", "name": "free", "input": "x"},
        {"type": "custom_tool_call_output", "call_id": "c2", "output": "x"},
    ],
    "tools": [
        {"type": "function", "name": "look", "parameters": SCHEMA, "strict": False},
        {"type": "custom", "name": "free", "format": {"type": "text"}},
        {
            "type": "namespace",
            "name": "ns",
            "description": "d",
            "tools": [{"type": "function", "name": "in", "parameters": SCHEMA}],
        },
        {
            "type": "web_search",
            "filters": {"allowed_domains": ["a.example"]},
            "user_location": {"type": "approximate", "country": "DE"},
        },
    ],
    "tool_choice": {"type": "function", "name": "look"},
    "text": {"format": {"type": "json_schema", "name": "f", "schema": SCHEMA}, "verbosity": "low"},
    "reasoning": {"effort": "none", "summary": "auto"},
    "include": ["reasoning.encrypted_content"],
    "max_output_tokens": 50,
    "metadata": {"a": "b"},
    "store": False,
    "stream": True,
    "stream_options": {"include_obfuscation": False},
    "truncation": "auto",
    "top_logprobs": 2,
}
MESSAGES: dict[str, Any] = {
    "model": "claude-sonnet-4-5",
    "max_tokens": 4000,
    "system": [
        {"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral", "ttl": "1h"}}
    ],
    "messages": [
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "Look."},
                {
                    "type": "image",
                    "source": {"type": "base64", "media_type": "image/png", "data": PIXEL},
                },
                {
                    "type": "document",
                    "source": {"type": "text", "media_type": "text/plain", "data": "x"},
                    "citations": {"enabled": True},
                    "title": "t",
                },
                {
                    "type": "search_result",
                    "source": "s",
                    "title": "t",
                    "content": [{"type": "text", "text": "x"}],
                },
            ],
        },
        {
            "role": "assistant",
            "content": [
                {"type": "text", "text": "hm"},
                {"type": "tool_use", "id": "toolu_1", "name": "look", "input": {}},
            ],
        },
        {
            "role": "user",
            "content": [
                {
                    "type": "tool_result",
                    "tool_use_id": "toolu_1",
                    "is_error": False,
                    "content": [{"type": "text", "text": "seen"}],
                },
            ],
        },
    ],
    "tools": [
        {
            "name": "look",
            "description": "d",
            "input_schema": SCHEMA,
            "cache_control": {"type": "ephemeral"},
        },
        {
            "type": "web_search_20250305",
            "name": "web_search",
            "max_uses": 2,
            "allowed_domains": ["a.example"],
        },
        {"type": "bash_20250124", "name": "bash"},
    ],
    "tool_choice": {"type": "auto", "disable_parallel_tool_use": True},
    "output_config": {"format": {"type": "json_schema", "schema": SCHEMA}},
    "metadata": {"user_id": "u"},
    "stop_sequences": ["x"],
    "stream": True,
}
CONTENTS: dict[str, Any] = {
    "systemInstruction": {"parts": [{"text": "Be brief."}], "role": "user"},
    "contents": [
        {
            "role": "user",
            "parts": [
                {"text": "Look."},
                {"inlineData": {"mimeType": "image/png", "data": PIXEL}},
                {"fileData": {"mimeType": "image/png", "fileUri": "https://a.example/files/1"}},
            ],
        },
        {
            "role": "model",
            "parts": [
                {"text": "hm", "thought": True},
                {"functionCall": {"id": "1", "name": "look", "args": {}}},
            ],
        },
        {
            "role": "user",
            "parts": [
                {"functionResponse": {"id": "1", "name": "look", "response": {"output": "x"}}}
            ],
        },
        {
            "role": "model",
            "parts": [
                {"executableCode": {"language": "PYTHON", "code": "1"}},
                {"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "1"}},
            ],
        },
        {"role": "user", "parts": [{"text": "Go on."}]},
    ],
    "tools": [
        {
            "functionDeclarations": [
                {"name": "look", "description": "d", "parametersJsonSchema": SCHEMA},
                {
                    "name": "other",
                    "parameters": {
                        "type": "OBJECT",
                        "properties": {"a": {"type": "STRING", "nullable": True}},
                        "required": ["a"],
                    },
                },
            ]
        },
    ],
    "toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["look"]}},
    "generationConfig": {
        "temperature": 0.5,
        "maxOutputTokens": 100,
        "stopSequences": ["x"],
        "thinkingConfig": {"thinkingBudget": 1024, "includeThoughts": True},
    },
    "safetySettings": [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"}],
}
DRAWN: dict[str, Any] = {
    "contents": [{"role": "user", "parts": [{"text": "A cat."}]}],
    "generationConfig": {
        "responseModalities": ["TEXT", "IMAGE"],
        "imageConfig": {"aspectRatio": "1:1", "imageSize": "1K"},
    },
}
SPOKEN: dict[str, Any] = {
    "contents": [{"role": "user", "parts": [{"text": "Hello."}]}],
    "generationConfig": {
        "responseModalities": ["AUDIO"],
        "speechConfig": {"voiceConfig": {"prebuiltVoiceConfig": {"voiceName": "Kore"}}},
    },
}
ENVELOPE: dict[str, Any] = {
    "model": "gemini-2.5-pro",
    "project": "p",
    "user_prompt_id": "u",
    "request": {
        **CONTENTS,
        "session_id": "s",
        "tools": [
            {
                "functionDeclarations": [
                    {
                        "name": "look",
                        "parameters": {"type": "OBJECT", "properties": {"a": {"type": "STRING"}}},
                    }
                ]
            }
        ],
    },
}
GEMINI = "/v1beta/models/gemini-2.5-pro:"
OPENAI_KEY = {"authorization": "Bearer k"}
ANTHROPIC_KEY = {"x-api-key": "k", "anthropic-version": "2023-06-01"}
GOOGLE_KEY = {"x-goog-api-key": "k"}
BODIES: list[tuple[str, dict[str, str], dict[str, Any]]] = [
    ("/v1/chat/completions", OPENAI_KEY, CHAT),
    ("/api/paas/v4/chat/completions", OPENAI_KEY, CHAT),
    ("/v1/responses", OPENAI_KEY, RESPONSE),
    ("/v1/responses/input_tokens", OPENAI_KEY, RESPONSE),
    (
        "/v1/completions",
        OPENAI_KEY,
        {
            "model": "gpt-3.5-turbo-instruct",
            "prompt": ["a", "b"],
            "max_tokens": 5,
            "stop": ["x"],
            "stream": False,
            "logprobs": 1,
        },
    ),
    (
        "/v1/embeddings",
        OPENAI_KEY,
        {
            "model": "text-embedding-3-small",
            "input": ["a", [1, 2]],
            "dimensions": 8,
            "encoding_format": "float",
        },
    ),
    (
        "/v1/images/generations",
        OPENAI_KEY,
        {
            "model": "gpt-image-1",
            "prompt": "x",
            "size": "1024x1024",
            "n": 1,
            "quality": "low",
            "background": "opaque",
            "output_format": "png",
            "partial_images": 0,
            "stream": False,
        },
    ),
    (
        "/v1/images/edits",
        OPENAI_KEY,
        {
            "model": "gpt-image-1",
            "prompt": "x",
            "images": [{"image_url": f"data:image/png;base64,{PIXEL}"}],
            "mask": {"image_url": f"data:image/png;base64,{PIXEL}"},
        },
    ),
    (
        "/v1/audio/speech",
        OPENAI_KEY,
        {
            "model": "gpt-4o-mini-tts",
            "input": "x",
            "voice": "alloy",
            "response_format": "wav",
            "speed": 1,
            "stream_format": "audio",
        },
    ),
    ("/v1/messages", ANTHROPIC_KEY, MESSAGES),
    ("/api/anthropic/v1/messages", ANTHROPIC_KEY, {**MESSAGES, "model": "glm-4.7"}),
    (
        "/v1/messages/count_tokens",
        ANTHROPIC_KEY,
        {
            name: value
            for name, value in MESSAGES.items()
            if name not in ("max_tokens", "stream", "metadata", "stop_sequences")
        },
    ),
    (f"{GEMINI}generateContent", GOOGLE_KEY, CONTENTS),
    (f"{GEMINI}streamGenerateContent?alt=sse", GOOGLE_KEY, CONTENTS),
    ("/v1beta/models/gemini-3-pro-image:generateContent", GOOGLE_KEY, DRAWN),
    ("/v1beta/models/gemini-2.5-flash-preview-tts:generateContent", GOOGLE_KEY, SPOKEN),
    (
        f"{GEMINI}countTokens",
        GOOGLE_KEY,
        {"generateContentRequest": {"model": "models/gemini-2.5-pro", **CONTENTS}},
    ),
    (
        "/v1beta/models/text-embedding-004:embedContent",
        GOOGLE_KEY,
        {
            "content": {"parts": [{"text": "x"}]},
            "taskType": "RETRIEVAL_QUERY",
            "outputDimensionality": 8,
        },
    ),
    (
        "/v1beta/models/text-embedding-004:batchEmbedContents",
        GOOGLE_KEY,
        {
            "requests": [
                {"model": "models/text-embedding-004", "content": {"parts": [{"text": "x"}]}}
            ]
        },
    ),
    (
        "/v1beta/models/imagen-4.0-generate-001:predict",
        GOOGLE_KEY,
        {"instances": [{"prompt": "x"}], "parameters": {"sampleCount": 1, "aspectRatio": "1:1"}},
    ),
    ("/v1internal:generateContent", OPENAI_KEY, ENVELOPE),
    ("/v1internal:streamGenerateContent?alt=sse", OPENAI_KEY, ENVELOPE),
    (
        "/v1internal:countTokens",
        OPENAI_KEY,
        {"request": {"model": "models/gemini-2.5-pro", "contents": CONTENTS["contents"]}},
    ),
    (
        "/v1internal:loadCodeAssist",
        OPENAI_KEY,
        {
            "metadata": {"ideType": "IDE_UNSPECIFIED", "pluginType": "GEMINI"},
            "cloudaicompanionProject": "p",
        },
    ),
    (
        "/v1internal:onboardUser",
        OPENAI_KEY,
        {
            "tierId": "free-tier",
            "metadata": {"pluginType": "GEMINI"},
            "cloudaicompanionProject": "p",
        },
    ),
    ("/v1internal:fetchAvailableModels", OPENAI_KEY, {"project": "p"}),
    (
        "/api/mcp/web_reader/mcp",
        OPENAI_KEY,
        {
            "jsonrpc": "2.0",
            "id": 1,
            "method": "initialize",
            "params": {
                "protocolVersion": "2025-06-18",
                "capabilities": {},
                "clientInfo": {"name": "n", "version": "1"},
            },
        },
    ),
]
WRONG: list[Any] = [None, True, 3, -1.5, "", "x", [], {}, [None], [[]], {"type": "x"}, [{}]]
#: Bodies that once made the simulator fail, each in place of a member.
ODD: list[tuple[str, tuple[Any, ...], Any]] = [
    ("/v1/responses", ("include",), None),
    ("/v1/responses", ("tool_choice",), {"type": ["function"]}),
    (f"{GEMINI}generateContent", ("systemInstruction",), {}),
    (f"{GEMINI}generateContent", ("systemInstruction",), {"parts": [{}]}),
    (f"{GEMINI}generateContent", ("contents", 2, "parts", 0, "functionResponse"), {}),
    (f"{GEMINI}generateContent", ("contents", 2, "parts", 0, "functionResponse"), {"name": "look"}),
    (
        "/v1/chat/completions",
        ("tools", 0, "function", "parameters"),
        {"type": "object", "allOf": [{"$ref": "#"}]},
    ),
    (
        "/v1/chat/completions",
        ("tools", 0, "function", "parameters", "properties", "at"),
        {"type": "string", "minLength": 10**12},
    ),
]


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path of every member and item."""
    items: Any = value.items() if isinstance(value, dict) else enumerate(value)
    for name, inner in items:
        yield (*path, name)
        if isinstance(inner, dict | list):
            yield from places(inner, (*path, name))


def changed(body: dict[str, Any], path: tuple[Any, ...], value: Any) -> dict[str, Any]:
    """Return the body with another value at a place, or without it for ``...``."""
    copied = copy.deepcopy(body)
    at: Any = copied
    for name in path[:-1]:
        at = at[name]
    if value is ...:
        del at[path[-1]]
    else:
        at[path[-1]] = value
    return copied


class InMemorySimulator:
    """A simulator in memory."""

    def __init__(self) -> None:
        self.clock = task.Clock()
        self.http = StubTreq(build_simulator(self.clock).resource())

    def status(self, path: str, headers: dict[str, str], body: Any) -> int:
        """Return the status of the response to a body, which may be text already."""
        content = (body if isinstance(body, str) else json.dumps(body)).encode()
        headers = {**headers, "content-type": "application/json"}
        headers["accept"] = "application/json, text/event-stream"
        return int(
            self._result(self.http.post(f"http://x{path}", headers=headers, data=content)).code
        )

    def token(self) -> dict[str, str]:
        """Return the header of an account of Google's."""
        form = {"grant_type": "refresh_token", "client_id": "c", "refresh_token": "r"}
        response = self._result(self.http.post("http://x/token", data=form))
        return {"authorization": f"Bearer {self._result(response.json())['access_token']}"}

    def _result(self, deferred: Any) -> Any:
        found: list[Any] = []
        deferred.addBoth(found.append)
        self.http.flush()
        self.clock.pump([0.1] * 3)
        return found[0]


@pytest.mark.parametrize(("path", "headers", "body"), BODIES, ids=[row[0] for row in BODIES])
def test_body_with_invalid_member_never_causes_server_error(
    path: str, headers: dict[str, str], body: dict[str, Any]
) -> None:
    asked = InMemorySimulator()
    if path.startswith("/v1internal"):
        headers = asked.token()
    assert asked.status(path, headers, body) == 200, "as it is, the body is good"
    for number, place in enumerate(places(body)):
        for value in (..., WRONG[number % len(WRONG)], WRONG[number * 7 % len(WRONG)]):
            status = asked.status(path, headers, changed(body, place, value))
            assert status in (200, 400, 401, 403, 404), (place, value)


@pytest.mark.parametrize(("path", "place", "value"), ODD)
def test_body_of_a_past_failure_never_causes_server_error(
    path: str, place: tuple[Any, ...], value: Any
) -> None:
    headers, body = next((row[1], row[2]) for row in BODIES if row[0] == path)
    assert InMemorySimulator().status(path, headers, changed(body, place, value)) in (200, 400)


@pytest.mark.parametrize("depth", [600, 3000, 100_000])
@pytest.mark.parametrize(("path", "headers", "body"), BODIES, ids=[row[0] for row in BODIES])
def test_deeply_nested_body_never_causes_server_error(
    path: str, headers: dict[str, str], body: dict[str, Any], depth: int
) -> None:
    asked = InMemorySimulator()
    if path.startswith("/v1internal"):
        headers = asked.token()
    deep = '{"anyOf":[' * depth + '{"type":"string"}' + "]}" * depth
    for place in list(places(body))[::6]:
        text = json.dumps(changed(body, place, "@")).replace('"@"', deep)
        assert asked.status(path, headers, text) in (200, 400, 404), place


def test_gemini_accepts_types_of_json_schemas_in_any_case() -> None:
    schema = {"type": "OBJECT", "properties": {"a": {"type": "STRING"}}, "required": ["a"]}
    config = {"responseMimeType": "application/json", "responseJsonSchema": schema}
    body = {"contents": SPOKEN["contents"], "generationConfig": config}
    assert InMemorySimulator().status(f"{GEMINI}generateContent", GOOGLE_KEY, body) == 200


@pytest.mark.parametrize("text", [b"NaN", b"1e999", b"-Infinity", b"[1]", b"", b"{", b"\xff"])
def test_body_that_is_not_a_json_object_is_refused(text: bytes) -> None:
    asked = InMemorySimulator()
    body = b'{"model": "gpt-5.2", "temperature": ' + text + b"}"
    for data in (text, body):
        response = asked._result(
            asked.http.post("http://x/v1/chat/completions", headers=OPENAI_KEY, data=data)
        )
        assert response.code == 400


def test_error_for_unsupported_value_lists_supported_values() -> None:
    asked = InMemorySimulator()
    for field in ("background", "output_format", "quality", "size"):
        body = {"model": "gpt-image-1", "prompt": "x", field: "odd"}
        response = asked._result(
            asked.http.post(
                "http://x/v1/images/generations", headers=OPENAI_KEY, data=json.dumps(body).encode()
            )
        )
        error = asked._result(response.json())["error"]
        assert error["message"].startswith("Invalid value: 'odd'. Supported values are: '")
        assert "frozenset" not in error["message"]


@pytest.mark.parametrize(
    ("model", "size", "status"),
    [
        ("gpt-image-1", "1536x1024", 200),
        ("gpt-image-1", "1024x1040", 400),
        ("gpt-image-2", "1024x1040", 200),
        ("gpt-image-2", "1024x1030", 400),
        ("gpt-image-2", "4096x4096", 400),
        ("gpt-image-2", "3200x1024", 400),
        ("gpt-image-2", "0x0", 400),
    ],
)
def test_image_sizes_depend_on_the_model(model: str, size: str, status: int) -> None:
    body = {"model": model, "prompt": "x", "size": size}
    assert InMemorySimulator().status("/v1/images/generations", OPENAI_KEY, body) == status
