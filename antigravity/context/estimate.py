"""Estimates the tokens of a request.

A token has four characters of ASCII text, or one and a half of other text.  A margin is added,
since an estimate that is too low lets a client exceed the context window.  Everything counts:
system prompts, tools, schemas, images, documents, tool calls and their results.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Final

import msgspec

from antigravity.ir.embeddings import TokenIds
from antigravity.ir.media import FileReference, InlineData, UrlSource
from antigravity.ir.parts import (
    Media,
    Opaque,
    Part,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
    WebSearch,
)
from antigravity.ir.request import Message, Request
from antigravity.ir.tools import CustomTool, FunctionTool, HostedTool, Tool

ASCII_PER_TOKEN: Final = 4.0
OTHER_PER_TOKEN: Final = 1.5
MARGIN: Final = 1.15
PER_MESSAGE: Final = 4.0
#: Tokens of one image: the value for a tile of Gemini, used for all models.
PER_IMAGE: Final = 258.0
#: Bytes of base64 text per token, for media that are charged by length.
DOCUMENT_BYTES_PER_TOKEN: Final = 30.0
AUDIO_BYTES_PER_TOKEN: Final = 700.0
VIDEO_BYTES_PER_TOKEN: Final = 1500.0
#: Tokens of a file of which only the address is known.
UNSEEN_FILE: Final = 1500.0


def estimate_text(text: str) -> float:
    """Return the estimated tokens of a text, without the margin."""
    if text.isascii():
        return len(text) / ASCII_PER_TOKEN
    plain = len(text.encode("ascii", "ignore"))
    return plain / ASCII_PER_TOKEN + (len(text) - plain) / OTHER_PER_TOKEN


def estimate_tokens(request: Request) -> int:
    """Return the estimated input tokens of a request, at least 1."""
    total = sum(estimate_text(part.text) for part in request.system)
    total += sum(map(_message, request.messages))
    total += sum(map(_tool, request.tools))
    if request.response_format.schema is not None:
        total += _json(request.response_format.schema)
    return max(1, math.ceil(total * MARGIN))


def estimate_parts(parts: Iterable[Text | Media | TokenIds]) -> int:
    """Return the estimated tokens of one embedding input, at least 1, without the margin."""
    sizes = (len(p.ids) if isinstance(p, TokenIds) else _part(p) for p in parts)
    return max(1, math.ceil(sum(sizes)))


def _json(value: object) -> float:
    return len(msgspec.json.encode(value)) / ASCII_PER_TOKEN


def _message(message: Message) -> float:
    return PER_MESSAGE + _parts(message.parts)


def _parts(parts: Iterable[Part]) -> float:
    return sum(map(_part, parts))


def _part(part: Part) -> float:
    match part:
        case Text():
            return estimate_text(part.text)
        case Thinking():
            return estimate_text(part.text) + len(part.redacted or "") / ASCII_PER_TOKEN
        case ToolCall():
            return estimate_text(part.name) + estimate_text(part.arguments) + PER_MESSAGE
        case ToolResult():
            return PER_MESSAGE + _parts(part.parts)
        case Media():
            return _media(part)
        case WebSearch():
            return sum(
                estimate_text(hit.url + hit.title) + len(hit.encrypted_content or "") / 8
                for hit in part.results
            )
        case Opaque():
            return _json(part.wire)


def _media(media: Media) -> float:
    if media.kind == "image":
        return PER_IMAGE
    match media.source:
        case InlineData(data=data):
            per_token = {
                "audio": AUDIO_BYTES_PER_TOKEN,
                "video": VIDEO_BYTES_PER_TOKEN,
            }.get(media.kind, DOCUMENT_BYTES_PER_TOKEN)
            if media.mime_type.startswith("text/"):
                per_token = ASCII_PER_TOKEN * 4 / 3
            return max(PER_IMAGE, len(data) / per_token)
        case UrlSource() | FileReference():
            return UNSEEN_FILE


def _tool(tool: Tool) -> float:
    match tool:
        case FunctionTool():
            schema = _json(tool.parameters) if tool.parameters else 0.0
            return PER_MESSAGE + estimate_text(tool.name + tool.description) + schema
        case CustomTool():
            form = _json(tool.format) if tool.format else 0.0
            return PER_MESSAGE + estimate_text(tool.name + tool.description) + form
        case HostedTool():
            return PER_MESSAGE + _json(tool.wire)
        case _:
            return PER_MESSAGE
