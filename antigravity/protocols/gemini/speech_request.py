"""Requests for speech, as Gemini's models that speak take them."""

from __future__ import annotations

from typing import Any

from antigravity.ir.audio import SpeechOptions


def styled(contents: list[dict[str, Any]], wish: SpeechOptions) -> list[dict[str, Any]]:
    """Return the contents with the manner of speaking beside each text."""
    if not wish.manner:
        return contents
    manner = {"speechMetadata": {"style": wish.manner}}
    return [
        {
            **turn,
            "parts": [{**part, **manner} if "text" in part else part for part in turn["parts"]],
        }
        for turn in contents
    ]
