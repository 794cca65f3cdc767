"""Parts of an answer as clients read them, and which of them a client gets to see."""

from __future__ import annotations

from typing import Any

from antigravity.ir.media import FileReference, InlineData, MediaSource, UrlSource
from antigravity.ir.request import Request
from antigravity.ir.signature import Signature
from antigravity.protocols.gemini.arguments import call_arguments
from antigravity.protocols.gemini.signatures import to_wire

WirePart = dict[str, Any]


def shows_thoughts(request: Request) -> bool:
    """Return whether the client asked for thoughts; Gemini keeps them back otherwise."""
    return request.thinking.include is True


def signed(part: WirePart, signature: Signature | None) -> WirePart:
    """Return a part with its signature."""
    return part if signature is None else {**part, "thoughtSignature": to_wire(signature)}


def text_part(text: str, signature: Signature | None = None) -> WirePart:
    """Return visible text."""
    return signed({"text": text}, signature)


def thought_part(text: str, signature: Signature | None = None) -> WirePart:
    """Return a thought."""
    return signed({"text": text, "thought": True}, signature)


def call_part(
    identity: str, name: str, arguments: str, kind: str, signature: Signature | None
) -> WirePart:
    """Return a whole function call."""
    call = {"id": identity, "name": name, "args": call_arguments(arguments, kind)}
    return signed({"functionCall": call}, signature)


def media_part(mime_type: str, source: MediaSource, signature: Signature | None) -> WirePart:
    """Return an image or sound."""
    match source:
        case InlineData():
            part = {"inlineData": {"mimeType": mime_type, "data": source.data}}
        case UrlSource():
            part = {"fileData": {"mimeType": mime_type, "fileUri": source.url}}
        case FileReference():
            part = {"fileData": {"mimeType": mime_type, "fileUri": source.id}}
    return signed(part, signature)
