"""Encodes settings of audio output in the fields of chat completions."""

from __future__ import annotations

from typing import Any, Final

from antigravity.ir.capabilities import Target
from antigravity.ir.request import Request
from antigravity.protocols.losses import Losses

#: The only format that a stream can have; requests for audio always stream.
_STREAMED: Final = "pcm16"


def audio_fields(request: Request, target: Target, losses: Losses) -> dict[str, Any]:
    """Return ``modalities`` and ``audio``."""
    fields: dict[str, Any] = {}
    if request.modalities:
        fields["modalities"] = list(request.modalities)
    if request.audio_config is not None and "audio" in request.modalities:
        fields["audio"] = {**request.audio_config, "format": _STREAMED}
    return fields
