"""Encodes messages for an upstream: parts as content blocks, turns in the order it requires."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator, Sequence
from typing import Any, Final

import msgspec

from antigravity.ir.capabilities import ReasoningHistory
from antigravity.ir.media import FileReference, InlineData, UrlSource
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
from antigravity.ir.request import Message
from antigravity.ir.thinking import LOST_REASONING
from antigravity.protocols.anthropic.server_content import NATIVE_FAMILY
from antigravity.protocols.anthropic.tool_input import as_object, wrap_text
from antigravity.protocols.anthropic.web_search import (
    search_content,
    search_id,
    search_input,
    wire_citation,
)
from antigravity.protocols.instructions import OPENING
from antigravity.protocols.losses import Losses
from antigravity.protocols.tool_arguments import object_text

Block = dict[str, Any]

#: The types of blocks with thinking.
THINKING: Final = ("thinking", "redacted_thinking")
_UNSAFE: Final = re.compile(r"[^a-zA-Z0-9_-]")


class Turn:
    """One message of the body: adjacent messages of a role, merged."""

    def __init__(self, role: str) -> None:
        self.role = role
        self.blocks: list[Block] = []

    @property
    def begins_with_thinking(self) -> bool:
        """Whether the first block is thinking."""
        return bool(self.blocks) and self.blocks[0]["type"] in THINKING

    def has(self, *kinds: str) -> bool:
        """Return whether there is a block of one of these types."""
        return any(block["type"] in kinds for block in self.blocks)

    def arrange(self) -> None:
        """Move the blocks to the front that the API requires there: tool results, and thinking."""
        if self.role == "user":
            self.blocks.sort(key=lambda block: block["type"] != "tool_result")
        elif not self.begins_with_thinking and self.has(*THINKING):
            self.blocks.sort(key=lambda block: block["type"] not in THINKING)


def turns(
    messages: Sequence[Message],
    losses: Losses,
    reasoning: ReasoningHistory = "ignored",
) -> list[Turn]:
    """Return alternating turns that begin with the user's, none of them empty.

    ``reasoning`` is what the model does with the thinking of earlier turns: models other than
    Claude that use it accept unsigned thinking.
    """
    writer = _ContentWriter(losses, unsigned=reasoning != "ignored")
    found: list[Turn] = []
    held: list[Block] = []
    for message in messages:
        role = "assistant" if message.role == "assistant" else "user"
        if message.role == "system":
            losses.add("messages.role", "a later system turn became a user turn")
        blocks = [block for part in message.parts for block in writer.blocks(part, role)]
        if not blocks:
            continue
        if role == "assistant" and all(block["type"] in THINKING for block in blocks):
            held += blocks  # refused unless something follows in the turn
            continue
        if role == "assistant":
            blocks = held + blocks
        elif held:
            losses.add("messages.thinking", "thinking without a response after it was dropped")
        held = []
        if not found or found[-1].role != role:
            found.append(Turn(role))
        found[-1].blocks += blocks
    if held:
        losses.add("messages.thinking", "thinking without a response after it was dropped")
    for turn in found:
        turn.arrange()
        if reasoning == "required" and turn.has("tool_use") and not turn.begins_with_thinking:
            losses.add("messages.thinking", "lost reasoning was replaced by a placeholder")
            placeholder = {"type": "thinking", "thinking": LOST_REASONING, "signature": ""}
            turn.blocks.insert(0, placeholder)
    if not found or found[0].role != "user":
        losses.add("messages", "a user turn was put first: the conversation must begin with one")
        found.insert(0, Turn("user"))
        found[0].blocks = [{"type": "text", "text": OPENING}]
    return found


def text_block(text: Text) -> Block:
    """Return a text without citations."""
    return {"type": "text", "text": text.text, **_cache(text.cache)}


def cache_control(cache: CacheControl) -> Block:
    """Return a cache breakpoint."""
    return {"type": "ephemeral"} if cache.ttl is None else {"type": "ephemeral", "ttl": cache.ttl}


def _cache(cache: CacheControl | None) -> Block:
    return {} if cache is None else {"cache_control": cache_control(cache)}


class _ContentWriter:
    """Writer of the parts of one request, which makes the ids of calls valid and unique."""

    def __init__(self, losses: Losses, *, unsigned: bool) -> None:
        self._losses = losses
        self._unsigned = unsigned
        self._ids: dict[str, str] = {}
        self._used_ids: set[str] = set()
        self._numbers: dict[str, int] = {}  # the last that was tried, by id without it

    def blocks(self, part: Part, role: str) -> Iterator[Block]:
        """Yield the blocks of a part in a turn of ``role``, often one."""
        match part:
            case Text():
                yield from self._text(part, role)
            case Media():
                yield from self._media(part)
            case Thinking() if role == "assistant":
                yield from self._thinking(part)
            case ToolCall() if role == "assistant":
                yield self._call(part)
            case ToolResult() if role == "user":
                yield self._result(part)
            case WebSearch():
                yield from self._search(part, role)
            case Opaque() if part.protocol == "anthropic":
                yield part.wire
            case Opaque():
                detail = f"a {part.kind} of {part.protocol} was dropped"
                self._losses.add("messages.parts", detail, content=True)
            case _:
                kind = type(part).__name__
                detail = f"a {kind} in a turn of the {role} was dropped"
                self._losses.add("messages.parts", detail, content=True)

    def _text(self, part: Text, role: str) -> Iterator[Block]:
        if not part.text.strip():
            if part.cache is not None:
                self._losses.add("messages.cache", "a breakpoint on an empty text was dropped")
            return
        block = text_block(part)
        citations = [
            wire_citation(citation) for citation in part.citations if citation.encrypted_index
        ]
        if len(citations) < len(part.citations):
            self._losses.add("messages.citations", "citations of another provider were dropped")
        if citations and role == "assistant":
            block["citations"] = citations
        yield block

    def _media(self, part: Media) -> Iterator[Block]:
        source = self._source(part)
        if source is None:
            yield {"type": "text", "text": f"[{part.kind} left out: it cannot be sent]"}
            return
        block: Block = {"type": part.kind, "source": source}
        if part.kind == "document":
            for name in ("title", "context"):
                if value := getattr(part, name):
                    block[name] = value
        yield block | _cache(part.cache)

    def _source(self, part: Media) -> Block | None:
        """Return the source of an image or document, ``None`` if it cannot be sent."""
        if part.kind not in ("image", "document"):
            self._losses.add(
                "messages.media", f"{part.kind} cannot be sent: replaced by a note", content=True
            )
            return None
        match part.source:
            case UrlSource(url):
                return {"type": "url", "url": url}
            case FileReference(file_id, "anthropic"):
                return {"type": "file", "file_id": file_id}
            case FileReference(_, provider):
                detail = f"a file stored at {provider} was replaced by a note"
                self._losses.add("messages.media", detail, content=True)
                return None
            case InlineData(data):
                pass
        if part.kind == "image":
            mime_type = part.mime_type or "image/png"
            return {"type": "base64", "media_type": mime_type, "data": data}
        if part.mime_type in ("application/pdf", ""):
            return {"type": "base64", "media_type": "application/pdf", "data": data}
        text = _decode_text(data)
        if text is None:
            detail = "only PDF and text can be sent as documents; another was replaced by a note"
            self._losses.add("messages.media", detail, content=True)
            return None
        if part.mime_type != "text/plain":
            self._losses.add("messages.media", "a document of text was sent as plain text")
        return {"type": "text", "media_type": "text/plain", "data": text}

    def _thinking(self, part: Thinking) -> Iterator[Block]:
        signature = part.signature
        if part.redacted is not None and (signature is None or signature.family == NATIVE_FAMILY):
            yield {"type": "redacted_thinking", "data": part.redacted}
        elif self._unsigned and part.text:
            own = signature is not None and signature.family == NATIVE_FAMILY
            value = signature.value if own and signature is not None else ""
            yield {"type": "thinking", "thinking": part.text, "signature": value}
        elif signature is None or signature.family != NATIVE_FAMILY or not signature.value:
            self._losses.add("messages.thinking", "thinking without Claude's signature was dropped")
        else:
            yield {"type": "thinking", "thinking": part.text, "signature": signature.value}

    def _call(self, part: ToolCall) -> Block:
        if part.kind == "custom":
            text = wrap_text(part.arguments)
        else:
            text = as_object(part.arguments)
            if object_text(part.arguments) is None:
                detail = 'arguments that are not a JSON object were wrapped as {"raw": ...}'
                self._losses.add("messages.tool_call.arguments", detail)
        return {
            "type": "tool_use",
            "id": self._id(part.id),
            "name": part.name,
            "input": msgspec.Raw(text.encode()),
            **_cache(part.cache),
        }

    def _result(self, part: ToolResult) -> Block:
        inner: list[Block] = []
        for piece in part.parts:
            inner.extend(
                self._text(piece, "user") if isinstance(piece, Text) else self._media(piece)
            )
        block: Block = {"type": "tool_result", "tool_use_id": self._id(part.call_id)}
        if part.is_error:
            block["is_error"] = True
            inner = inner or [{"type": "text", "text": "(no output)"}]
        if len(inner) == 1 and set(inner[0]) == {"type", "text"}:
            block["content"] = inner[0]["text"]
        elif inner:
            block["content"] = inner
        return block | _cache(part.cache)

    def _search(self, part: WebSearch, role: str) -> Iterator[Block]:
        """Yield a search as blocks if the upstream can verify it, else as text."""
        verifiable = bool(part.results) and all(item.encrypted_content for item in part.results)
        if role == "assistant" and (verifiable or part.error is not None or self._is_running(part)):
            wire_id = search_id(part.id)
            query = msgspec.Raw(search_input(part.queries).encode())
            yield {"type": "server_tool_use", "id": wire_id, "name": "web_search", "input": query}
            if not self._is_running(part):
                content = search_content(part)
                yield {"type": "web_search_tool_result", "tool_use_id": wire_id, "content": content}
            return
        lines = [f"Web search: {', '.join(part.queries)}"]
        lines += [f"- {item.title} {item.url}" for item in part.results]
        self._losses.add("messages.web_search", "a search of another provider became text")
        yield {"type": "text", "text": "\n".join(lines)}

    @staticmethod
    def _is_running(part: WebSearch) -> bool:
        """Return whether the upstream itself still runs this search (``pause_turn``)."""
        return part.id.startswith("srvtoolu_") and not part.results and part.error is None

    def _id(self, name: str) -> str:
        """Return a valid id for a call; the same for the same name."""
        known = self._ids.get(name)
        if known is not None:
            return known
        base = safe = _UNSAFE.sub("_", name) or "toolu"
        while safe in self._used_ids:
            number = self._numbers[base] = self._numbers.get(base, 1) + 1
            safe = f"{base}_{number}"
        self._ids[name] = safe
        self._used_ids.add(safe)
        return safe


def _decode_text(data: str) -> str | None:
    try:
        return base64.b64decode(data, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return None
