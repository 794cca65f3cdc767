"""Every upstream's words for a prompt that is too long become those that clients know."""

from __future__ import annotations

import json
import re

import pytest

from antigravity.ir.errors import ContextLengthError, GatewayError
from antigravity.ir.too_long import in_anthropic_form, prompt_size
from antigravity.plugins import PluginHost
from antigravity.protocols.anthropic.errors import error_object

TOKEN = " (capability_rejected: prompt_too_long)"
MESSAGES = [
    ("prompt is too long: 210118 tokens > 200000 maximum", (210118, 200000)),
    (
        "input length and `max_tokens` exceed context limit: 187254 + 20000 > 204798",
        (207254, 204798),
    ),
    (
        "This model's maximum context length is 128000 tokens. Your messages resulted in 130001.",
        (130001, 128000),
    ),
    (
        "This model's maximum context length is 8192 tokens. However, you requested 9000 tokens (",
        (9000, 8192),
    ),
    (
        "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).",
        (1200000, 1048576),
    ),
    (
        "The input token count exceeds the maximum number of tokens allowed (1048576).",
        None,
    ),
    ("prompt token count of 74490 exceeds the limit of 72000", (74490, 72000)),
    (
        "The input (5,120 tokens) is longer than the model's context length (4,096 tokens).",
        (5120, 4096),
    ),
    ("Your input exceeds the context window of this model.", None),
    ("There are 3 tokens in the context window", None),
]


@pytest.mark.parametrize(("message", "expected"), MESSAGES)
def test_sizes_are_parsed(message: str, expected: tuple[int, int] | None) -> None:
    assert prompt_size(message) == expected


@pytest.mark.parametrize(("message", "expected"), MESSAGES)
def test_anthropic_clients_get_the_error_that_triggers_compaction(
    message: str, expected: tuple[int, int] | None
) -> None:
    error = ContextLengthError(message, param="$.messages", upstream_status=400)
    said = error_object(error, "req_1")["error"]
    assert said["type"] == "invalid_request_error"
    if "exceed context limit" in message or message.startswith("prompt is too long"):
        assert said["message"] == message
    elif expected is None:
        assert said["message"] == f"prompt is too long: {message}{TOKEN}"
    else:
        assert re.fullmatch(
            r"prompt is too long: \d+ tokens > \d+ maximum" + re.escape(TOKEN), said["message"]
        )
    assert in_anthropic_form(said["message"]) == said["message"]


def test_other_errors_are_unchanged() -> None:
    said = error_object(GatewayError("9 tokens > 8 maximum"), "r")["error"]["message"]
    assert said == "9 tokens > 8 maximum"


@pytest.mark.parametrize(
    "message",
    [
        "prompt token count of 74490 exceeds the limit of 72000",
        "Input is too long for requested model.",
        "This model's maximum prompt length is 131072 but the request contains 140000 tokens.",
        "Please reduce the length of the messages or completion.",
        "Your input exceeds the context window of this model.",
    ],
)
def test_errors_of_compatible_servers_are_recognised(message: str) -> None:
    host = PluginHost()
    host.load(installed=False)
    for name in ("openai_chat", "openai_responses"):
        body = json.dumps({"error": {"message": message}}).encode()
        error = host.registry.clients[name].decode_error(400, {}, body)
        assert isinstance(error, ContextLengthError), name
