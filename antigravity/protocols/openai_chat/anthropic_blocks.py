"""Rewrites chat requests with Anthropic's system prompt and content blocks; pure.

Cursor sends such requests for models whose names begin with ``claude``
(https://forum.cursor.com/t/148018).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

JsonObject = dict[str, Any]


def rewrite_blocks(body: JsonObject) -> JsonObject:
    """Return a body with the messages of chat completions, ``body`` itself if it has no others."""
    messages = body.get("messages")
    if not isinstance(messages, list):
        return body
    system = body.get("system")
    if not system and not any(map(_has_blocks, messages)):
        return body
    rewritten = [message for each in messages for message in _messages(each)]
    if system:
        rewritten.insert(0, {"role": "system", "content": system})
    return {name: value for name, value in body.items() if name != "system"} | {
        "messages": rewritten
    }


def _has_blocks(message: Any) -> bool:
    return any(
        block["type"] in ("tool_use", "tool_result", "thinking", "redacted_thinking")
        or (block["type"] in ("image", "document") and "source" in block)
        for block in _blocks(message)
    )


def _blocks(message: Any) -> list[JsonObject]:
    """Return the content parts of a message that have a type."""
    content = message.get("content") if isinstance(message, dict) else None
    parts = content if isinstance(content, list) else []
    return [each for each in parts if isinstance(each, dict) and isinstance(each.get("type"), str)]


def _messages(message: Any) -> Iterator[Any]:
    """Yield the messages of chat completions for one message: tool results come first."""
    if not _has_blocks(message):
        yield message
        return
    rest: list[JsonObject] = []
    given = message.get("tool_calls")
    calls: list[JsonObject] = list(given) if isinstance(given, list) else []
    thoughts = ""
    for block in _blocks(message):
        match block["type"]:
            case "tool_result":
                yield {
                    "role": "tool",
                    "tool_call_id": block.get("tool_use_id"),
                    "content": _result(block.get("content")),
                }
            case "tool_use":
                arguments = msgspec.json.encode(block.get("input") or {}).decode()
                function = {"name": block.get("name"), "arguments": arguments}
                calls.append({"id": block.get("id"), "type": "function", "function": function})
            case "thinking":
                thoughts += str(block.get("thinking") or "")
            case "redacted_thinking":
                pass  # its text is not readable, and chat completions have no place for it
            case _:
                rest.append(_media(block))
    if not rest and not calls and not thoughts:
        return
    other = {**message, "content": rest or None}
    if calls:
        other["tool_calls"] = calls
    if thoughts:
        other["reasoning_content"] = thoughts
    yield other


def _result(content: Any) -> Any:
    """Return the content of a tool result: text, or parts."""
    if not isinstance(content, list):
        return content or ""
    return [_media(each) if isinstance(each, dict) else each for each in content]


def _media(block: JsonObject) -> JsonObject:
    """Return an image or document as chat completions have it; other blocks are returned as is."""
    source = block.get("source")
    if not isinstance(source, dict):
        return block
    url = source.get("url") or f"data:{source.get('media_type')};base64,{source.get('data')}"
    if block["type"] == "image":
        return {"type": "image_url", "image_url": {"url": url}}
    if block["type"] == "document":
        return {"type": "file", "file": {"file_data": url, "filename": block.get("title")}}
    return block
