"""Decodes what an interaction says besides its steps: status, usage and errors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec
from msgspec import Struct

from antigravity.ir.errors import GatewayError, UpstreamError
from antigravity.ir.events import FinishReason
from antigravity.ir.usage import Usage
from antigravity.protocols import lenient
from antigravity.protocols.embedded_errors import error_in
from antigravity.protocols.gemini_interactions.schema import MALFORMED, JsonObject

#: Decodes an error of Google's; see ``IClientProtocol.decode_error``.
DecodeError = Callable[[int, Mapping[str, str], bytes], GatewayError]

#: The finish reasons, by the status of an interaction that has ended.
FINISHES: Final[dict[str, FinishReason]] = {
    "completed": "stop",
    "requires_action": "tool_calls",
    "incomplete": "length",
    "budget_exceeded": "length",
    "requires_continuation": "length",
}
#: The statuses of interactions that have failed.
FAILURES: Final = ("failed", "cancelled")
_FILTERS: Final = ("filter", "safety", "blocked", "prohibited", "recitation")


def finish_of(status: str, errors: Any) -> FinishReason:
    """Return the finish reason of an interaction; a filter is named among its errors."""
    if status == "incomplete" and isinstance(errors, list):
        codes = [str(each.get("code")).lower() for each in errors if isinstance(each, dict)]
        if any(word in code for word in _FILTERS for code in codes):
            return "content_filter"
    return FINISHES[status]


def failure_of(interaction: JsonObject, decode_error: DecodeError) -> GatewayError:
    """Return the error of an interaction that has failed."""
    errors = interaction.get("errors")
    first = errors[0] if isinstance(errors, list) and errors else interaction.get("error")
    if isinstance(first, dict):
        found = error_in(msgspec.json.encode({"error": first}), decode_error)
        if found is not None:
            return found
    return UpstreamError(f"The upstream's interaction ended as {interaction.get('status')}.")


def decode_usage(wire: Any) -> Usage | None:
    """Return the counts in a ``usage`` object."""
    if not isinstance(wire, dict) or not wire:
        return None
    tool_input = _count(wire, "total_tool_use_tokens")
    reasoning = _count(wire, "total_thought_tokens")
    inputs, outputs = wire.get("input_tokens_by_modality"), wire.get("output_tokens_by_modality")
    return Usage(
        input_total=_count(wire, "total_input_tokens") + tool_input,
        cached=_count(wire, "total_cached_tokens"),
        output=_count(wire, "total_output_tokens") + reasoning,
        reasoning=reasoning,
        tool_input=tool_input,
        searches=_part(wire.get("grounding_tool_count"), "type", "google_search", "count"),
        image_input=_part(inputs, "modality", "image", "tokens"),
        audio_input=_part(inputs, "modality", "audio", "tokens"),
        image_output=_part(outputs, "modality", "image", "tokens"),
        audio_output=_part(outputs, "modality", "audio", "tokens"),
    )


def _count(fields: JsonObject, name: str) -> int:
    value = fields.get(name)
    return int(value) if isinstance(value, int | float) and value > 0 else 0


def _part(parts: Any, key: str, name: str, count: str) -> int:
    """Return the count of one kind in a list of counts."""
    if not isinstance(parts, list):
        return 0
    found = (each for each in parts if isinstance(each, dict))
    return sum(_count(each, count) for each in found if str(each.get(key)).lower() == name)


class _WithUsage(Struct, frozen=True):
    usage: object = None


def usage_of(body: bytes) -> Usage | None:
    """Return the usage in a whole interaction."""
    try:
        return decode_usage(lenient.decode(body, _WithUsage).usage)
    except MALFORMED:
        return None
