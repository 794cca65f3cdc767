"""OpenAI's names of audio formats, and their MIME types."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Final

_TYPES: Final = {"mp3": "audio/mpeg", "pcm16": "audio/pcm", "m4a": "audio/mp4"}
_FORMATS: Final = {
    **{mime_type: name for name, mime_type in _TYPES.items()},
    "audio/x-wav": "wav",
    "audio/wave": "wav",
    "audio/vnd.wave": "wav",
}


def audio_type(name: str) -> str:
    """Return the MIME type of a format."""
    return _TYPES.get(name, f"audio/{name}")


def audio_format(mime_type: str) -> str:
    """Return the name of the format with a MIME type."""
    return _FORMATS.get(mime_type, mime_type.partition("/")[2])


def join_base64(pieces: Sequence[str]) -> str:
    """Return pieces of base64 as one; each can have its own padding."""
    try:
        return base64.b64encode(b"".join(map(base64.b64decode, pieces))).decode("ascii")
    except ValueError:
        return "".join(pieces)
