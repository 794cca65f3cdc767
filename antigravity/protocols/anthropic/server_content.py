"""Decodes the content of messages: wire blocks to parts."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec
from msgspec import Raw

from antigravity.ir.media import FileReference, InlineData, MediaKind, MediaSource, UrlSource
from antigravity.ir.parts import (
    CacheControl,
    Media,
    Opaque,
    Part,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
    WebSearch,
)
from antigravity.ir.signature import Signature, unseal
from antigravity.protocols.anthropic import schema
from antigravity.protocols.anthropic.request_reader import read, read_text, reject
from antigravity.protocols.anthropic.web_search import read_citation, read_search
from antigravity.protocols.tool_arguments import object_text

#: The family whose signatures travel in this protocol without a seal.
NATIVE_FAMILY: Final = "claude"

#: Families that sign tool calls, not thinking: ``server_blocks`` puts such a signature into a
#: thinking block before the call.
CALL_SIGNING_FAMILIES: Final = frozenset({"gemini"})

#: The role of the messages that can hold a block.
_ROLES: Final = {
    "tool_use": "assistant",
    "thinking": "assistant",
    "redacted_thinking": "assistant",
    "server_tool_use": "assistant",
    "tool_result": "user",
}


def _cache(field: schema.CacheControlField | None) -> CacheControl | None:
    return None if field is None else field.value()


class ContentReader:
    """Reader of the messages' content of one request; it records the names of tool calls."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}

    def parts(self, content: str | Sequence[Raw], role: str, param: str) -> tuple[Part, ...]:
        """Return the parts of one message's content.

        :raises InvalidRequestError: naming the field at fault.
        """
        if isinstance(content, str):
            return (Text(content),)
        found: list[Part] = []
        searches: dict[str, int] = {}
        for number, raw in enumerate(content):
            at = f"{param}[{number}]"
            kind = read(raw, schema.Tagged, at).type
            required = _ROLES.get(kind, role)
            if required != role:
                reject(at, f"`{kind}` blocks can only be in `{required}` messages")
            if reader := _READERS.get(kind):
                found.extend(reader(self, raw, at))
            elif kind in ("server_tool_use", "web_search_tool_result"):
                self._server_tool(kind, raw, at, found, searches)
            else:
                found.append(_opaque(kind, raw, at))
        return tuple(_place_citations(_move_call_signatures(found)))

    def texts(self, content: str | Sequence[Raw], param: str) -> tuple[Text, ...]:
        """Return the texts of a system prompt.

        :raises InvalidRequestError: if it has blocks of another type.
        """
        if isinstance(content, str):
            return (Text(content),) if content else ()
        texts: list[Text] = []
        for number, raw in enumerate(content):
            at = f"{param}[{number}]"
            kind = read(raw, schema.Tagged, at).type
            if kind != "text":
                reject(f"{at}.type", "Input should be 'text'")
            block = read(raw, schema.TextBlock, at)
            texts.append(Text(block.text, cache=_cache(block.cache_control)))
        return tuple(texts)

    def _text(self, raw: Raw, at: str) -> Iterator[Part]:
        block = read(raw, schema.TextBlock, at)
        citations = tuple(read_citation(wire) for wire in block.citations or ())
        yield Text(block.text, citations, cache=_cache(block.cache_control))

    def _media(self, raw: Raw, at: str) -> Iterator[Text | Media]:
        kind: MediaKind = "image" if read(raw, schema.Tagged, at).type == "image" else "document"
        block = read(raw, schema.MediaBlock, at)
        cache = _cache(block.cache_control)
        if block.source.type == "content" and kind == "document":
            yield from self._document_content(block, at)
            return
        mime_type, source = _source(block.source, kind, f"{at}.source")
        yield Media(kind, source, mime_type, None, block.title, block.context, None, cache)

    def _document_content(self, block: schema.MediaBlock, at: str) -> Iterator[Text | Media]:
        """Yield the title and context of a document that consists of blocks, then its blocks."""
        heading = "\n".join(line for line in (block.title, block.context) if line)
        inner = self._inner(block.source.content or "", f"{at}.source.content")
        parts = [Text(heading), *inner] if heading else inner
        yield from parts[:-1]
        for last in parts[-1:]:
            cache = _cache(block.cache_control)
            yield last if cache is None else msgspec.structs.replace(last, cache=cache)

    def _search_result(self, raw: Raw, at: str) -> Iterator[Text]:
        block = read(raw, schema.SearchResultBlock, at)
        body = "\n".join(text.text for text in block.content)
        yield Text(f"{block.title}\n{block.source}\n\n{body}", cache=_cache(block.cache_control))

    def _tool_use(self, raw: Raw, at: str) -> Iterator[Part]:
        block = read(raw, schema.ToolUseBlock, at)
        given = read_text(block.input, f"{at}.input")
        arguments = object_text(given)
        if arguments is None:
            reject(f"{at}.input", "Input should be a valid dictionary")
        self._names[block.id] = block.name
        cache = _cache(block.cache_control)
        yield ToolCall(block.id, block.name, arguments, cache=cache)

    def _tool_result(self, raw: Raw, at: str) -> Iterator[Part]:
        block = read(raw, schema.ToolResultBlock, at)
        yield ToolResult(
            call_id=block.tool_use_id,
            parts=tuple(self._inner(block.content or "", f"{at}.content")),
            is_error=bool(block.is_error),
            name=self._names.get(block.tool_use_id),
            cache=_cache(block.cache_control),
        )

    def _inner(self, content: str | Sequence[Raw], param: str) -> list[Text | Media]:
        """Return the parts of a tool result or document; an unknown block becomes its JSON text."""
        if isinstance(content, str):
            return [Text(content)] if content else []
        found: list[Text | Media] = []
        for number, raw in enumerate(content):
            at = f"{param}[{number}]"
            kind = read(raw, schema.Tagged, at).type
            if kind == "text":
                block = read(raw, schema.TextBlock, at)
                found.append(Text(block.text, cache=_cache(block.cache_control)))
            elif kind in ("image", "document"):
                found.extend(self._media(raw, at))
            elif kind == "search_result":
                found.extend(self._search_result(raw, at))
            else:
                found.append(Text(read_text(raw, at)))
        return found

    def _thinking(self, raw: Raw, at: str) -> Iterator[Part]:
        block = read(raw, schema.ThinkingBlock, at)
        sealed = unseal(block.signature or "", NATIVE_FAMILY)
        signature = sealed if sealed.value else None  # the placeholder for unsigned has no value
        if block.thinking or signature is not None:
            yield Thinking(block.thinking, signature)

    def _redacted(self, raw: Raw, at: str) -> Iterator[Part]:
        sealed = unseal(read(raw, schema.RedactedThinkingBlock, at).data, NATIVE_FAMILY)
        yield Thinking(signature=Signature("", sealed.family), redacted=sealed.value)

    def _server_tool(
        self, kind: str, raw: Raw, at: str, found: list[Part], searches: dict[str, int]
    ) -> None:
        """Add a hosted tool's call or result; the two of a web search make one part."""
        if kind == "web_search_tool_result":
            result = read(raw, schema.WebSearchResultBlock, at)
            place = searches.get(result.tool_use_id)
            search = found[place] if place is not None else None
            if place is None or not isinstance(search, WebSearch):
                found.append(read_search(result.tool_use_id, (), result.content))
            else:
                found[place] = read_search(search.id, search.queries, result.content)
            return
        block = read(raw, schema.ToolUseBlock, at)
        if block.name != "web_search":
            found.append(_opaque(kind, raw, at))
            return
        searches[block.id] = len(found)
        queries = read(block.input, schema.WebSearchInput, f"{at}.input").all()
        found.append(WebSearch(block.id, queries))


#: The reader of each type of block; bound methods would make a reference cycle.
_READERS: Final[Mapping[str, Callable[[ContentReader, Raw, str], Iterator[Part]]]] = {
    "text": ContentReader._text,
    "image": ContentReader._media,
    "document": ContentReader._media,
    "search_result": ContentReader._search_result,
    "tool_use": ContentReader._tool_use,
    "tool_result": ContentReader._tool_result,
    "thinking": ContentReader._thinking,
    "redacted_thinking": ContentReader._redacted,
}


def _opaque(kind: str, raw: Raw, at: str) -> Opaque:
    return Opaque("anthropic", kind, read(raw, dict[str, Any], at))


def _source(source: schema.Source, kind: MediaKind, at: str) -> tuple[str, MediaSource]:
    """Return the MIME type and the source of an image or document."""

    def require(name: str) -> str:
        value: str | None = getattr(source, name)
        if value is None:
            reject(f"{at}.{name}", "Field required")
        return value

    match source.type:
        case "base64":
            default = "" if kind == "image" else "application/pdf"
            mime_type = source.media_type or default or require("media_type")
            return mime_type.lower(), InlineData(require("data"))
        case "text" if kind == "document":
            data = base64.b64encode(require("data").encode("utf-8", "replace")).decode()
            return source.media_type or "text/plain", InlineData(data)
        case "file":
            return "", FileReference(require("file_id"), "anthropic")
        case "url":
            pass
        case _:
            others = "" if kind == "image" else ", 'text', 'content'"
            reject(f"{at}.type", f"Input should be one of 'base64', 'url', 'file'{others}")
    return "", UrlSource(require("url"))


def _move_call_signatures(parts: list[Part]) -> Iterator[Part]:
    """Move signatures of tool calls from the thinking blocks that carried them to the calls."""
    for number, part in enumerate(parts):
        before = parts[number - 1] if number else None
        after = parts[number + 1] if number + 1 < len(parts) else None
        if isinstance(part, ToolCall) and (carried := _call_signature(before)):
            yield msgspec.structs.replace(part, signature=carried)
        elif isinstance(after, ToolCall) and isinstance(part, Thinking) and _call_signature(part):
            if part.text:
                yield Thinking(part.text)
        else:
            yield part


def _call_signature(part: Part | None) -> Signature | None:
    if not isinstance(part, Thinking) or part.redacted is not None or part.signature is None:
        return None
    return part.signature if part.signature.family in CALL_SIGNING_FAMILIES else None


def _place_citations(parts: Iterator[Part]) -> Iterator[Part]:
    """Set the range of each citation in the message's text: its whole block."""
    start = 0
    for part in parts:
        if not isinstance(part, Text):
            yield part
            continue
        end = start + len(part.text)
        if part.citations:
            placed = tuple(
                msgspec.structs.replace(citation, start=start, end=end)
                for citation in part.citations
            )
            yield msgspec.structs.replace(part, citations=placed)
        else:
            yield part
        start = end
