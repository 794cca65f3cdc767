"""Requests for speech to Gemini models."""

from __future__ import annotations

from typing import Any

from antigravity.ir.audio import SpeechOptions


def with_speaking_style(
    contents: list[dict[str, Any]], options: SpeechOptions
) -> list[dict[str, Any]]:
    """Return the contents with the manner of speaking beside each text."""
    if not options.manner:
        return contents
    manner = {"speechMetadata": {"style": options.manner}}
    return [
        {
            **turn,
            "parts": [{**part, **manner} if "text" in part else part for part in turn["parts"]],
        }
        for turn in contents
    ]
