"""Fields of both streams and whole responses."""

from __future__ import annotations

from typing import Any, Final

from antigravity.ir.errors import GatewayError, InvalidRequestError, UpstreamError
from antigravity.ir.events import FinishReason
from antigravity.ir.usage import Usage
from antigravity.protocols.openai_shapes import model_text
from antigravity.protocols.openai_transcriptions.instruction import SILENCE
from antigravity.protocols.openai_transcriptions.segments import Segment

_COMPLETE: Final = ("stop", "stop_sequence", "tool_calls")


def transcript_text(text: str) -> str:
    """Return the text of a transcript, which is empty if the model reported silence."""
    text = text.strip()
    return "" if text.rstrip(".") == SILENCE else text


def incomplete_transcript(reason: FinishReason, refusal: str = "") -> GatewayError | None:
    """Return the error for a response that is not a complete transcript, ``None`` if it is one."""
    if reason == "length":
        return InvalidRequestError(
            "The transcript is longer than the model can write in one response. Send the recording "
            "in parts, or use a model with a larger output limit.",
            param="file",
            code="transcript_too_long",
        )
    if refusal or reason in ("content_filter", "refusal"):
        return InvalidRequestError(
            f"The model, or a filter of its provider, refused to transcribe the recording."
            f"{model_text(refusal)}",
            param="file",
            code="content_filter",
        )
    if reason not in _COMPLETE:
        return UpstreamError(f"The model stopped before the end of its transcript ({reason}).")
    return None


def token_fields(usage: Usage) -> dict[str, Any]:
    """Return token counts; everything but audio counts as text."""
    return {
        "type": "tokens",
        "input_tokens": usage.input_total,
        "input_token_details": {
            "audio_tokens": usage.audio_input,
            "text_tokens": usage.input_total - usage.audio_input,
        },
        "output_tokens": usage.output,
        "total_tokens": usage.total,
    }


def logprob_fields(logprobs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return log probabilities without alternatives, as transcripts have none."""
    names = ("token", "logprob", "bytes")
    return [{name: each[name] for name in names if name in each} for each in logprobs]


def speaker_segment(number: int, segment: Segment) -> dict[str, Any]:
    """Return the segment of one speaker."""
    return {
        "type": "transcript.text.segment",
        "id": f"seg_{number}",
        "start": segment.start,
        "end": segment.end,
        "text": segment.text,
        "speaker": segment.speaker or "A",
    }
