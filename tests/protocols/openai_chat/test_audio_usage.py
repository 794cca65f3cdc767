"""Tokens of sound are told as such, in both directions."""

from __future__ import annotations

from antigravity.ir.usage import Usage
from antigravity.protocols.openai_chat.client_usage import read_usage
from antigravity.protocols.openai_shapes import completion_usage


def test_audio_usage_round_trip() -> None:
    usage = Usage(input_total=100, cached=10, output=50, audio_input=80, audio_output=40)
    written = completion_usage(usage)
    assert written["prompt_tokens_details"]["audio_tokens"] == 80
    assert written["completion_tokens_details"]["audio_tokens"] == 40
    assert read_usage(written) == usage
