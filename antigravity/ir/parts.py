"""The content parts of messages."""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct

from antigravity.ir.media import MediaKind, MediaSource
from antigravity.ir.signature import Signature


class CacheControl(Struct, frozen=True, gc=False):
    """A prompt-cache breakpoint after a part (Anthropic's ``cache_control``)."""

    ttl: str | None = None


class Citation(Struct, frozen=True, gc=False):
    """The source of a part of the response's text.

    ``start`` and ``end`` are offsets in characters (code points) in the text of the choice;
    both are ``None`` if the provider does not report them.
    """

    url: str
    title: str = ""
    cited_text: str = ""
    start: int | None = None
    end: int | None = None
    encrypted_index: str | None = None


class Text(Struct, frozen=True, gc=False, tag="text"):
    """Plain text.

    ``signature`` is the Gemini thought signature of a text part.  ``phase`` is OpenAI's, of the
    message that the text is in: ``commentary`` or ``final_answer``.
    """

    text: str
    citations: tuple[Citation, ...] = ()
    signature: Signature | None = None
    cache: CacheControl | None = None
    phase: str | None = None


class Media(Struct, frozen=True, gc=False, tag="media"):
    """An image, document, audio or video.

    ``detail`` is the requested resolution (``low``, ``high``, ``auto``); ``title`` is a file name
    or document title; ``context`` is Anthropic's free text about a document.  ``mime_type`` is
    empty if only a URL or a file id was given.
    """

    kind: MediaKind
    source: MediaSource
    mime_type: str = ""
    detail: str | None = None
    title: str | None = None
    context: str | None = None
    signature: Signature | None = None
    cache: CacheControl | None = None


class Thinking(Struct, frozen=True, gc=False, tag="thinking"):
    """Reasoning of the model.  ``redacted`` is encrypted reasoning that has no readable text."""

    text: str = ""
    signature: Signature | None = None
    redacted: str | None = None


class ToolCall(Struct, frozen=True, gc=False, tag="tool_call"):
    """A call of a client-side tool.

    ``arguments`` is the raw JSON text of an object, or free text when ``kind`` is ``custom``.
    ``namespace`` is set for tools declared inside an OpenAI Responses namespace.
    """

    id: str
    name: str
    arguments: str = "{}"
    kind: Literal["function", "custom"] = "function"
    namespace: str | None = None
    signature: Signature | None = None
    cache: CacheControl | None = None


class ToolResult(Struct, frozen=True, gc=False, tag="tool_result"):
    """The result of a client-side tool, in a ``user`` message after the call."""

    call_id: str
    parts: tuple[Text | Media, ...] = ()
    is_error: bool = False
    name: str | None = None
    kind: Literal["function", "custom"] = "function"
    cache: CacheControl | None = None


class SearchResult(Struct, frozen=True, gc=False):
    """One page that a web search found."""

    url: str
    title: str = ""
    encrypted_content: str | None = None
    page_age: str | None = None


class WebSearch(Struct, frozen=True, gc=False, tag="web_search"):
    """A web search that the provider ran: its queries and results."""

    id: str
    queries: tuple[str, ...] = ()
    results: tuple[SearchResult, ...] = ()
    error: str | None = None


class Opaque(Struct, frozen=True, gc=False, tag="opaque"):
    """A part that only one protocol knows: its JSON object, for that protocol's encoder."""

    protocol: str
    kind: str
    wire: dict[str, Any]


Part = Text | Media | Thinking | ToolCall | ToolResult | WebSearch | Opaque
