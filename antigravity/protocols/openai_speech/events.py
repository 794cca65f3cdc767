"""The events of speech that comes in events."""

from __future__ import annotations

import binascii

import msgspec

from antigravity.ir.usage import Usage
from antigravity.sse import encode_data


def delta(sound: bytes) -> bytes:
    """Return the event for more of the sound; nothing for nothing."""
    if not sound:
        return b""
    text = binascii.b2a_base64(sound, newline=False)
    # The text of base64 needs no escaping.
    return encode_data(b'{"type":"speech.audio.delta","audio":"%s"}' % text)


def done(usage: Usage) -> bytes:
    """Return the last event."""
    counts = {
        "input_tokens": usage.input_total,
        "output_tokens": usage.output,
        "total_tokens": usage.total,
    }
    return encode_data(msgspec.json.encode({"type": "speech.audio.done", "usage": counts}))
