"""The JSON types of requests to the Messages API.

Unknown fields are ignored here; the decoder keeps them.  Content blocks and tools stay raw
until their type is known, so that the JSON text of arguments stays unchanged.
"""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Raw, Struct

from antigravity.ir.parts import CacheControl

JsonObject = dict[str, Any]


class Tagged(Struct, frozen=True):
    """The type, which every block, source and citation has."""

    type: str


class CacheControlField(Struct, frozen=True):
    """``cache_control``."""

    type: str = "ephemeral"
    ttl: str | None = None

    def value(self) -> CacheControl:
        """Return the cache breakpoint in the representation."""
        return CacheControl(self.ttl)


class WireMessage(Struct, frozen=True):
    """One entry of ``messages``."""

    role: Literal["user", "assistant", "system"]
    content: str | list[Raw]
    output_config: JsonObject | None = None


class TextBlock(Struct, frozen=True):
    """``text``."""

    text: str
    citations: list[JsonObject] | None = None
    cache_control: CacheControlField | None = None


class Source(Struct, frozen=True):
    """The ``source`` of an image or document, whatever its type."""

    type: str
    media_type: str | None = None
    data: str | None = None
    url: str | None = None
    file_id: str | None = None
    content: str | list[Raw] | None = None


class MediaBlock(Struct, frozen=True):
    """``image`` or ``document``."""

    source: Source
    title: str | None = None
    context: str | None = None
    cache_control: CacheControlField | None = None


class SearchResultBlock(Struct, frozen=True):
    """``search_result``."""

    source: str
    title: str
    content: list[TextBlock]
    cache_control: CacheControlField | None = None


class ToolUseBlock(Struct, frozen=True):
    """``tool_use``, and ``server_tool_use``."""

    id: str
    name: str
    input: Raw = Raw(b"{}")
    cache_control: CacheControlField | None = None


class ToolResultBlock(Struct, frozen=True):
    """``tool_result``."""

    tool_use_id: str
    content: str | list[Raw] | None = None
    is_error: bool | None = None
    cache_control: CacheControlField | None = None


class ThinkingBlock(Struct, frozen=True):
    """``thinking``."""

    thinking: str = ""
    signature: str | None = None


class RedactedThinkingBlock(Struct, frozen=True):
    """``redacted_thinking``."""

    data: str


class WebSearchInput(Struct, frozen=True):
    """``input`` of a ``web_search``; ``queries`` is the gateway's addition for several queries."""

    query: str = ""
    queries: tuple[str, ...] = ()

    def all(self) -> tuple[str, ...]:
        """Return the queries."""
        return self.queries or ((self.query,) if self.query else ())


class WebSearchResultItem(Struct, frozen=True):
    """One page that a search found."""

    url: str = ""
    title: str | None = None
    encrypted_content: str | None = None
    page_age: str | None = None


class WebSearchFault(Struct, frozen=True):
    """The error of a failed search."""

    error_code: str = "unavailable"


class WebSearchResultBlock(Struct, frozen=True):
    """``web_search_tool_result``."""

    tool_use_id: str
    content: list[WebSearchResultItem] | WebSearchFault = []


class ToolField(Struct, frozen=True):
    """One entry of ``tools``: a client tool, or a web search."""

    name: str
    description: str | None = None
    input_schema: JsonObject | None = None
    strict: bool | None = None
    cache_control: CacheControlField | None = None
    allowed_domains: tuple[str, ...] | None = None
    blocked_domains: tuple[str, ...] | None = None
    max_uses: int | None = None
    user_location: JsonObject | None = None


class ToolChoiceField(Struct, frozen=True):
    """``tool_choice``."""

    type: Literal["auto", "any", "tool", "none"]
    name: str | None = None
    disable_parallel_tool_use: bool | None = None


class ThinkingField(Struct, frozen=True):
    """``thinking``."""

    type: str
    budget_tokens: int | None = None
    display: str | None = None
    block_binding: dict[str, Any] | None = None


class FormatField(Struct, frozen=True):
    """``output_config.format``, and the older ``output_format``."""

    type: str
    schema: JsonObject | None = None


class OutputConfig(Struct, frozen=True):
    """``output_config``."""

    effort: str | None = None
    format: FormatField | None = None


class Body(Struct, frozen=True):
    """A request to generate or to count tokens."""

    model: str
    messages: list[WireMessage]
    system: str | list[Raw] | None = None
    max_tokens: int | None = None
    stream: bool | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    stop_sequences: tuple[str, ...] | None = None
    tools: list[Raw] | None = None
    tool_choice: ToolChoiceField | None = None
    thinking: ThinkingField | None = None
    output_config: OutputConfig | None = None
    output_format: FormatField | None = None
    metadata: JsonObject | None = None


class Beginning(Struct, frozen=True):
    """The members of a request that routing needs."""

    model: str
    stream: bool | None = None
