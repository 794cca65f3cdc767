"""What the Anthropic Messages API refuses of the blocks of a message; pure."""

from __future__ import annotations

import re
from typing import Any, Final

from antigravity.simulator import signing
from antigravity.simulator.strict.encoded import is_base64
from antigravity.simulator.strict.refusal import refuse

_BLOCKS: Final = {
    "text": "type text cache_control citations",
    "image": "type source cache_control transformations",
    "document": "type source cache_control citations context title",
    "tool_use": "type id name input cache_control caller",
    "tool_result": "type tool_use_id content is_error cache_control",
    "thinking": "type thinking signature",
    "redacted_thinking": "type data",
    "search_result": "type source title content citations cache_control",
    "tool_reference": "type tool_name cache_control",
}
#: Blocks of the services' own tools: taken as they are.
_HOSTED: Final = re.compile(
    r"server_tool_use|mcp_tool_use|mcp_tool_result|mcp_tool_listing|container_upload|compaction|"
    r"fallback|tool_addition|tool_removal|.+_tool_result"
)
_IMAGES: Final = ("image/jpeg", "image/png", "image/gif", "image/webp")
_ID: Final = re.compile(r"[a-zA-Z0-9_-]+")


def refuse_extra(place: str, block: dict[str, Any], kind: str) -> None:
    """Refuse fields that this kind of block does not have.

    :raises ApiError: as the service words it.
    """
    known = _BLOCKS[kind].split()
    for name in block:
        if name not in known:
            refuse(f"{place}.{kind}.{name}: Extra inputs are not permitted")


def check_block(place: str, block: Any, role: str, index: int) -> None:
    """Refuse a wrong block, or one that this role may not have.

    :raises ApiError: as the service words it.
    """
    if not isinstance(block, dict) or not isinstance(block.get("type"), str):
        refuse(f"{place}.type: Field required")
    kind = block["type"]
    if kind not in _BLOCKS:
        if _HOSTED.fullmatch(kind):
            return
        tags = ", ".join(f"'{name}'" for name in _BLOCKS)
        refuse(
            f"{place}: Input tag '{kind}' found using 'type' does not match any of the expected "
            f"tags: {tags}"
        )
    refuse_extra(place, block, kind)
    if role == "system" and kind != "text":
        refuse(f"{place}.type: Input should be 'text'")
    if kind in ("tool_use", "thinking", "redacted_thinking") and role != "assistant":
        refuse(f"messages.{index}: `{kind}` blocks can only be in `assistant` messages")
    if kind == "tool_result" and role != "user":
        refuse(f"messages.{index}: `tool_result` blocks can only be in `user` messages")
    match kind:
        case "text":
            _text(place, block)
        case "image" | "document":
            _source(f"{place}.{kind}.source", block.get("source"), kind)
        case "tool_use":
            _tool_use(f"{place}.tool_use", block)
        case "tool_result":
            _tool_result(f"{place}.tool_result", block)
        case "thinking":
            _signed(place, block)
        case "redacted_thinking":
            found = signing.inspect(str(block.get("data", "")))
            if found is None or found.kind != "claude-hid":
                refuse(f"{place}: Invalid `data` in `redacted_thinking` block")


def _text(place: str, block: dict[str, Any]) -> None:
    text = block.get("text")
    if not isinstance(text, str):
        refuse(f"{place}.text.text: Field required")
    if not text:
        refuse("messages: text content blocks must be non-empty")
    if not text.strip():
        refuse("messages: text content blocks must contain non-whitespace text")


def _source(place: str, source: Any, kind: str) -> None:
    if not isinstance(source, dict):
        refuse(f"{place}: Field required")
    form = source.get("type")
    if form == "base64":
        media = source.get("media_type")
        allowed = _IMAGES if kind == "image" else ("application/pdf",)
        if media not in allowed:
            names = " or ".join(f"'{name}'" for name in allowed)
            refuse(f"{place}.base64.media_type: Input should be {names}")
        if not source.get("data") or not is_base64(source["data"]):
            refuse(f"{place}.base64.data: Invalid base64 data")
    elif form == "url":
        if not str(source.get("url", "")).startswith("https://"):
            refuse(f"{place}.url.url: Only HTTPS URLs are supported.")
    elif form == "file":
        if not isinstance(source.get("file_id"), str):
            refuse(f"{place}.file.file_id: Field required")
    elif not (kind == "document" and form in ("text", "content")):
        refuse(
            f"{place}: Input tag '{form}' found using 'type' does not match any of the "
            "expected tags: 'base64', 'url', 'file'"
        )


def _tool_use(place: str, block: dict[str, Any]) -> None:
    if not isinstance(block.get("id"), str):
        refuse(f"{place}.id: Field required")
    if not _ID.fullmatch(block["id"]):
        refuse(f"{place}.id: String should match pattern '^[a-zA-Z0-9_-]+$'")
    if not isinstance(block.get("name"), str) or not block["name"]:
        refuse(f"{place}.name: Field required")
    if not re.fullmatch(r"[a-zA-Z0-9_-]{1,200}", block["name"]):
        refuse(f"{place}.name: String should match pattern '^[a-zA-Z0-9_-]{{1,200}}$'")
    if not isinstance(block.get("input"), dict):
        refuse(f"{place}.input: Input should be a valid dictionary")


def _tool_result(place: str, block: dict[str, Any]) -> None:
    if not isinstance(block.get("tool_use_id"), str):
        refuse(f"{place}.tool_use_id: Field required")
    content = block.get("content")
    if content is None or isinstance(content, str):
        return
    if not isinstance(content, list):
        refuse(f"{place}.content: Input should be a valid list")
    for index, inner in enumerate(content):
        where = f"{place}.content.{index}"
        kind = inner.get("type") if isinstance(inner, dict) else None
        if kind not in ("text", "image", "document", "search_result", "tool_reference"):
            refuse(
                f"{where}: Input tag '{kind}' found using 'type' does not match any of the "
                "expected tags: 'document', 'image', 'search_result', 'text', 'tool_reference'"
            )
        check_block(where, inner, "user", 0)


def _signed(place: str, block: dict[str, Any]) -> None:
    if not isinstance(block.get("thinking"), str):
        refuse(f"{place}.thinking.thinking: Field required")
    signature = block.get("signature")
    if not isinstance(signature, str):
        refuse(f"{place}.thinking.signature: Field required")
    found = signing.inspect(signature)
    omitted = not block["thinking"] and found is not None and found.kind == "claude"
    if not omitted and not signing.genuine(signature, "claude", block["thinking"]):
        refuse(f"{place}: Invalid `signature` in `thinking` block")
