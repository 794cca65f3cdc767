"""Checks of the blocks of a message; pure."""

from __future__ import annotations

from typing import Any

from antigravity.simulator import signatures
from antigravity.simulator.errors import refuse
from antigravity.simulator.validation.anthropic_compatible import accepts_unsigned_thinking
from antigravity.simulator.validation.data_urls import is_base64


def check_block(place: str, block: dict[str, Any], role: str, index: int, model: str) -> None:
    """Refuse a block that fits the schema but not its role, or whose content is wrong.

    :param index: of the message.
    :raises ApiError: with the service's message, if anything is wrong.
    """
    kind = block["type"]
    if role == "system" and kind != "text":
        refuse(f"{place}.type: Input should be 'text'")
    if kind in ("tool_use", "thinking", "redacted_thinking") and role != "assistant":
        refuse(f"messages.{index}: `{kind}` blocks can only be in `assistant` messages")
    if kind == "tool_result" and role != "user":
        refuse(f"messages.{index}: `tool_result` blocks can only be in `user` messages")
    match kind:
        case "text":
            check_text(block["text"])
        case "image" | "document":
            _check_source(f"{place}.{kind}.source", block["source"])
        case "tool_result" if isinstance(block.get("content"), list):
            for position, inner in enumerate(block["content"]):
                check_block(f"{place}.tool_result.content.{position}", inner, "user", index, model)
        case "thinking" if not accepts_unsigned_thinking(model):
            _check_signature(place, block)
        case "redacted_thinking":
            found = signatures.parse_signature(block.get("data", ""))
            if found is None or found.kind != "claude-hid":
                refuse(f"{place}: Invalid `data` in `redacted_thinking` block")


def check_text(text: str) -> None:
    """Refuse a text that is empty.

    :raises ApiError: with the service's message, if anything is wrong.
    """
    if not text:
        refuse("messages: text content blocks must be non-empty")
    if not text.strip():
        refuse("messages: text content blocks must contain non-whitespace text")


def _check_source(place: str, source: dict[str, Any]) -> None:
    match source["type"]:
        case "base64" if not source["data"] or not is_base64(source["data"]):
            refuse(f"{place}.base64.data: Invalid base64 data")
        case "url" if not source["url"].startswith("https://"):
            refuse(f"{place}.url.url: Only HTTPS URLs are supported.")


def _check_signature(place: str, block: dict[str, Any]) -> None:
    if "signature" not in block:
        refuse(f"{place}.thinking.signature: Field required")
    found = signatures.parse_signature(block["signature"])
    omitted = not block["thinking"] and found is not None and found.kind == "claude"
    if not omitted and not signatures.is_genuine(block["signature"], "claude", block["thinking"]):
        refuse(f"{place}: Invalid `signature` in `thinking` block")
