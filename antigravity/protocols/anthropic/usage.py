"""Token counts.  Anthropic's ``input_tokens`` excludes tokens read from or written to a cache."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from antigravity.ir.usage import Usage


class ServerToolUse(Struct, frozen=True):
    """``usage.server_tool_use``."""

    web_search_requests: int | None = None


class OutputDetails(Struct, frozen=True):
    """``usage.output_tokens_details``."""

    thinking_tokens: int | None = None


class CacheCreation(Struct, frozen=True):
    """``usage.cache_creation``."""

    ephemeral_1h_input_tokens: int | None = None


class UsageField(Struct, frozen=True):
    """``usage`` of a message, or of a ``message_delta``."""

    input_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    cache_creation: CacheCreation | None = None
    output_tokens: int | None = None
    output_tokens_details: OutputDetails | None = None
    server_tool_use: ServerToolUse | None = None


def merge(before: Usage, wire: UsageField) -> Usage:
    """Return ``before`` updated with the totals in ``wire``.

    Missing counts keep their value, and so do zeros: some servers send zeros for counts that
    they do not repeat.
    """
    cached = wire.cache_read_input_tokens or before.cached
    cache_write = wire.cache_creation_input_tokens or before.cache_write
    uncached = wire.input_tokens or before.input_uncached
    details, tools = wire.output_tokens_details, wire.server_tool_use
    hour = wire.cache_creation and wire.cache_creation.ephemeral_1h_input_tokens
    return Usage(
        input_total=uncached + cached + cache_write,
        cached=cached,
        cache_write=cache_write,
        cache_write_1h=min(cache_write, hour or before.cache_write_1h),
        output=wire.output_tokens or before.output,
        reasoning=(details and details.thinking_tokens) or before.reasoning,
        searches=(tools and tools.web_search_requests) or before.searches,
    )


def wire_usage(usage: Usage, searches: int = 0) -> dict[str, Any]:
    """Return the ``usage`` object; ``searches`` is the number of web searches in the message."""
    wire: dict[str, Any] = {
        "input_tokens": usage.input_uncached,
        "cache_creation_input_tokens": usage.cache_write,
        "cache_read_input_tokens": usage.cached,
        "output_tokens": usage.output,
    }
    if usage.reasoning:
        wire["output_tokens_details"] = {"thinking_tokens": usage.reasoning}
    if usage.cache_write_1h:
        wire["cache_creation"] = {
            "ephemeral_5m_input_tokens": usage.cache_write - usage.cache_write_1h,
            "ephemeral_1h_input_tokens": usage.cache_write_1h,
        }
    if searches := max(searches, usage.searches):
        wire["server_tool_use"] = {"web_search_requests": searches, "web_fetch_requests": 0}
    return wire
