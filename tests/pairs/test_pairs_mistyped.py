"""Requests with a value of a wrong type anywhere: they are refused or served, nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import pytest
from msgspec.structs import replace

from antigravity.exchange.function_forms import to_functions
from antigravity.ir.errors import GatewayError
from antigravity.lowering.pipeline import lower
from antigravity.protocols.openai_hybrid import accept_responses_bodies
from tests.support.protocols import CLIENTS, SERVERS, call_of, target

#: A model with audio output where there is one.
MODELS = {
    "openai_chat": "gpt-audio",
    "anthropic": "claude-sonnet-4-6",
    "gemini": "gemini-2.5-flash-preview-tts",
    "gemini_interactions": "gemini-2.5-flash-preview-tts",
}
WRONG: tuple[Any, ...] = (None, 5, "x", [], {}, [5], [{}], {"type": []}, {"name": {}})
GRAMMAR = {"type": "grammar", "syntax": "lark", "definition": "x"}
CALL = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
IMAGE = {"type": "base64", "media_type": "image/png", "data": "aaaa"}
HYBRID = {
    "model": "m",
    "input": [
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": "x", "tool_calls": [CALL]},
        {"role": "tool", "tool_call_id": "c", "content": "r"},
        {"type": "function_call", "call_id": "d", "name": "ap", "arguments": "x"},
        {"type": "function_call_output", "call_id": "d", "output": "o"},
    ],
    "tools": [
        {"type": "custom", "name": "ap", "format": GRAMMAR},
        {"name": "g", "input_schema": {}},
    ],
    "tool_choice": {"type": "function", "function": {"name": "g"}},
}
BLOCKS = {
    "model": "m",
    "system": [{"type": "text", "text": "s"}],
    "messages": [
        {"role": "user", "content": [{"type": "image", "source": IMAGE}]},
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "t"},
                {"type": "tool_use", "id": "i", "name": "n", "input": {}},
            ],
            "tool_calls": [CALL],
        },
        {
            "role": "user",
            "content": [
                {
                    "type": "tool_result",
                    "tool_use_id": "i",
                    "content": [{"type": "text", "text": "r"}],
                }
            ],
        },
    ],
    "tools": [{"name": "z", "input_schema": {}}],
    "tool_choice": {"type": "tool", "name": "z"},
}
TYPED = {
    "model": "m",
    "tools": [
        {"type": "shell"},
        {"type": "apply_patch"},
        {"type": "tool_search", "execution": "client"},
    ],
    "tool_choice": {"type": "apply_patch"},
    "input": [
        {
            "type": "apply_patch_call",
            "call_id": "1",
            "operation": {"type": "create_file", "path": "p"},
        },
        {"type": "apply_patch_call_output", "call_id": "1", "status": "failed", "output": "x"},
        {"type": "shell_call", "call_id": "2", "action": {"commands": ["ls"], "timeout_ms": 1}},
        {"type": "shell_call_output", "call_id": "2", "output": [{"stdout": "x"}]},
        {
            "type": "tool_search_output",
            "execution": "client",
            "tools": [
                {"type": "namespace", "name": "k", "tools": [{"type": "function", "name": "h"}]}
            ],
        },
        {"type": "mcp_call", "name": "n", "server_label": "l", "error": {"message": "m"}},
        {"type": "file_search_call", "queries": ["q"], "results": [{"filename": "f", "text": "t"}]},
        {"type": "configuration_update", "text": {"format": {"type": "text"}}},
        {"role": "user", "content": "x"},
    ],
}
HELD = {
    "model": "m",
    "max_tokens": 5,
    "tools": [{"type": "bash_20250124", "name": "bash"}, {"name": "f", "input_schema": {}}],
    "messages": [{"role": "user", "content": "x"}],
    "thread": {"type": "create"},
}
VOICE = {"prebuiltVoiceConfig": {"voiceName": "Kore"}}
SPOKEN = {
    "contents": [{"role": "user", "parts": [{"text": "x"}]}],
    "generationConfig": {
        "responseModalities": ["AUDIO"],
        "speechConfig": {
            "voiceConfig": VOICE,
            "multiSpeakerVoiceConfig": {
                "speakerVoiceConfigs": [{"speaker": "a", "voiceConfig": VOICE}]
            },
        },
        "imageConfig": {"aspectRatio": "1:1"},
    },
}
BODIES = {
    "hybrid": ("openai_chat", HYBRID),
    "blocks": ("openai_chat", BLOCKS),
    "typed": ("openai_responses", TYPED),
    "held": ("anthropic", HELD),
    "spoken": ("gemini", SPOKEN),
}
HEADERS = {"anthropic-beta": "message-threads-2026-08-12"}


def mistyped(value: Any) -> Iterator[Any]:
    """Yield copies of a value, each with one wrong value in it."""
    if isinstance(value, dict | list):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for place, inner in list(items):
            for wrong in (*WRONG, *mistyped(inner)):
                changed = deepcopy(value)
                changed[place] = wrong
                yield changed


def serve(protocol: str, body: Any) -> None:
    """Decode a body, and encode it for every upstream.

    :raises GatewayError: if it is refused.
    """
    server = SERVERS[protocol]
    if protocol == "openai_chat":
        server = accept_responses_bodies(server, lambda: SERVERS["openai_responses"])
    call = replace(call_of(protocol, body), headers=HEADERS)
    variant = server.traits.variant
    server = (variant and variant(call)) or server
    server.peek(call)
    stored = server.traits.stored_responses
    if stored is not None:
        stored.previous_id(call)
    request = server.decode(call)
    for name, model in MODELS.items():
        forms, served = to_functions(request, name, server.traits.as_functions), target(model)
        wanted = replace(forms.request, model=model, stream=True)
        try:
            lowered = lower(wanted, CLIENTS[name].traits, served, name)
            CLIENTS[name].encode(lowered.request, served)
        except GatewayError:
            pass  # another upstream can take it


@pytest.mark.parametrize("name", BODIES)
def test_wrong_types_are_refused_or_ignored(name: str) -> None:
    protocol, body = BODIES[name]
    serve(protocol, body)
    refused = 0
    for changed in mistyped(body):
        try:
            serve(protocol, changed)
        except GatewayError:
            refused += 1
    assert refused
