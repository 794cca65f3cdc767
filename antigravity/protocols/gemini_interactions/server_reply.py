"""The interaction object: a whole response, or what the events of a stream say about it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
from msgspec import Struct

from antigravity.ir.call import ReplyContext
from antigravity.ir.events import FinishReason
from antigravity.ir.usage import Usage
from antigravity.protocols.gemini_interactions.schema import MALFORMED, JsonObject

#: The status of interactions, by finish reason.
STATUSES: Final[dict[FinishReason, str]] = {
    "stop": "completed",
    "stop_sequence": "completed",
    "refusal": "completed",
    "tool_calls": "requires_action",
    "length": "incomplete",
    "pause": "incomplete",
    "content_filter": "incomplete",
}
#: What the clients are told of a response that a filter cut off.
_FILTERED: Final = {
    "code": "content_filter",
    "message": "The response was cut off by a content filter.",
}


class _Echo(Struct):
    """The fields of a request that its interaction repeats."""

    previous_interaction_id: str | None = None
    service_tier: str | None = None
    labels: dict[str, str] | None = None


class InteractionObject:
    """Encoder of one interaction in each of its states."""

    def __init__(self, context: ReplyContext) -> None:
        self._context = context
        self.id: Final = context.new_id("v1_")
        self._created = _time(context.created)

    def head(self, status: str) -> JsonObject:
        """Return the interaction without its steps."""
        return {
            "id": self.id,
            "status": status,
            "object": "interaction",
            "model": self._context.model,
            "created": self._created,
            "updated": _time(self._context.seconds()),
        }

    def ended(self, reason: FinishReason, usage: Usage) -> JsonObject:
        """Return the interaction without its steps, for the event that ends a stream."""
        ended = {**self.head(STATUSES[reason]), "usage": encode_usage(usage)}
        if reason == "content_filter":
            ended["errors"] = [_FILTERED]
        return ended

    def encode(self, ended: JsonObject, steps: Sequence[JsonObject]) -> bytes:
        """Return the whole interaction as JSON."""
        echo = _echo(self._context.call.body)
        return msgspec.json.encode({**ended, **echo, "steps": steps})


def _time(seconds: int) -> str:
    """Return a time in ISO 8601."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _echo(body: bytes) -> JsonObject:
    try:
        echo = msgspec.json.decode(body, type=_Echo)
    except MALFORMED:
        return {}
    fields: dict[str, Any] = msgspec.structs.asdict(echo)
    return {name: value for name, value in fields.items() if value}


def encode_usage(usage: Usage) -> JsonObject:
    """Return ``usage``; the total is the sum of its parts, which do not overlap."""
    prompt = max(0, usage.input_total - usage.tool_input)
    counts: JsonObject = {
        "total_input_tokens": prompt,
        "total_cached_tokens": usage.cached,
        "total_output_tokens": usage.output_visible,
        "total_thought_tokens": usage.reasoning,
        "total_tool_use_tokens": usage.tool_input,
        "total_tokens": prompt + usage.tool_input + usage.output_visible + usage.reasoning,
    }
    inputs = _modalities(prompt, usage.image_input, usage.audio_input)
    outputs = _modalities(usage.output_visible, usage.image_output, usage.audio_output)
    if inputs:
        counts["input_tokens_by_modality"] = inputs
    if outputs:
        counts["output_tokens_by_modality"] = outputs
    if usage.searches:
        grounding = {"type": "google_search", "count": usage.searches}
        counts["grounding_tool_count"] = [grounding]
    return counts


def _modalities(total: int, image: int, audio: int) -> list[JsonObject]:
    """Return the parts of a count for each modality."""
    parts = {"text": max(0, total - image - audio), "image": image, "audio": audio}
    return [{"modality": name, "tokens": count} for name, count in parts.items() if count]
