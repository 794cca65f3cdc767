"""Encodes the events of speech."""

from __future__ import annotations

import binascii

import msgspec

from antigravity.ir.usage import Usage
from antigravity.sse import encode_data


def delta(audio: bytes) -> bytes:
    """Return the event for more audio, empty without audio."""
    if not audio:
        return b""
    text = binascii.b2a_base64(audio, newline=False)
    # Base64 needs no escaping.
    return encode_data(b'{"type":"speech.audio.delta","audio":"%s"}' % text)


def done(usage: Usage) -> bytes:
    """Return the last event."""
    counts = {
        "input_tokens": usage.input_total,
        "output_tokens": usage.output,
        "total_tokens": usage.total,
    }
    return encode_data(msgspec.json.encode({"type": "speech.audio.done", "usage": counts}))
