"""Decodes and encodes ``usageMetadata``."""

from __future__ import annotations

from msgspec import Struct

from antigravity.ir.usage import Usage


class ModalityCount(Struct, rename="camel"):
    """The tokens of one modality."""

    modality: str | None = None
    token_count: int | None = None


class UsageMetadata(Struct, rename="camel"):
    """Counts as Gemini reports them: thoughts and tool prompts are counted separately."""

    prompt_token_count: int | None = None
    cached_content_token_count: int | None = None
    candidates_token_count: int | None = None
    thoughts_token_count: int | None = None
    tool_use_prompt_token_count: int | None = None
    total_token_count: int | None = None
    prompt_tokens_details: list[ModalityCount] | None = None
    candidates_tokens_details: list[ModalityCount] | None = None


def from_wire(counts: UsageMetadata, searches: int = 0) -> Usage:
    """Return Gemini's counts in the meaning that all protocols share."""
    tool_input = counts.tool_use_prompt_token_count or 0
    reasoning = counts.thoughts_token_count or 0
    return Usage(
        input_total=(counts.prompt_token_count or 0) + tool_input,
        cached=counts.cached_content_token_count or 0,
        output=(counts.candidates_token_count or 0) + reasoning,
        reasoning=reasoning,
        tool_input=tool_input,
        searches=searches,
        image_input=_of("IMAGE", counts.prompt_tokens_details),
        image_output=_of("IMAGE", counts.candidates_tokens_details),
        audio_input=_of("AUDIO", counts.prompt_tokens_details),
        audio_output=_of("AUDIO", counts.candidates_tokens_details),
    )


def _of(modality: str, details: list[ModalityCount] | None) -> int:
    if not details:
        return 0
    return sum([each.token_count or 0 for each in details if each.modality == modality])


def to_wire(usage: Usage) -> dict[str, int]:
    """Return ``usageMetadata`` for a client; the total is the sum of its parts."""
    prompt = max(0, usage.input_total - usage.tool_input)
    counts = {
        "promptTokenCount": prompt,
        "cachedContentTokenCount": usage.cached,
        "candidatesTokenCount": usage.output_visible,
        "toolUsePromptTokenCount": usage.tool_input,
        "thoughtsTokenCount": usage.reasoning,
    }
    total = prompt + usage.tool_input + usage.output_visible + usage.reasoning
    always = ("promptTokenCount", "candidatesTokenCount")
    shown = {key: value for key, value in counts.items() if value or key in always}
    return {**shown, "totalTokenCount": total}
