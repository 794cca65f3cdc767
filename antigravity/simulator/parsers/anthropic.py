"""Parse an Anthropic request; pure."""

from __future__ import annotations

from typing import Any

from antigravity.simulator.parsers.attachments import inline, linked
from antigravity.simulator.view import Attachment, Tool, Turn, View, compact


def parse(body: dict[str, Any]) -> View:
    """Return the view of a valid request."""
    turns = []
    if body.get("system"):
        turns.append(_turn("system", body["system"]))
    turns += [_turn(message["role"], message["content"]) for message in body["messages"]]
    choice = body.get("tool_choice") or {}
    thinking = body.get("thinking") or {}
    config = body.get("output_config") or {}
    form = config.get("format") or body.get("output_format") or {}
    return View(
        model=body["model"],
        turns=tuple(turns),
        body=body,
        tools=tuple(map(_tool, body.get("tools") or ())),
        choice={"any": "any", "tool": "any", "none": "none"}.get(choice.get("type", ""), "auto"),
        allowed=(choice["name"],) if choice.get("type") == "tool" else (),
        parallel=not choice.get("disable_parallel_tool_use"),
        stops=tuple(body.get("stop_sequences") or ()),
        max_tokens=body.get("max_tokens"),
        schema=form.get("schema"),
        thinking=thinking.get("type") in ("enabled", "adaptive"),
        show_thinking=thinking.get("display") != "omitted",
    )


def _turn(role: str, content: Any) -> Turn:
    if isinstance(content, str):
        return Turn(role, (content,))
    texts: list[str] = []
    attachments: list[Attachment] = []
    results: list[str] = []
    hidden = ""
    for block in content:
        match block["type"]:
            case "text":
                texts.append(block["text"])
            case "image" | "document":
                attachments.append(_attachment(block))
            case "tool_use":
                hidden += block["name"] + compact(block["input"])
            case "tool_result":
                text, inside = _result(block.get("content"))
                results.append(f"(error) {text}" if block.get("is_error") else text)
                attachments += inside
            case kind if kind not in ("thinking", "redacted_thinking"):
                hidden += compact(block)
    return Turn(role, tuple(texts), tuple(attachments), tuple(results), hidden)


def _result(content: Any) -> tuple[str, list[Attachment]]:
    if content is None or isinstance(content, str):
        return content or "", []
    texts = [block["text"] for block in content if block["type"] == "text"]
    files = [_attachment(block) for block in content if block["type"] in ("image", "document")]
    return "\n".join(texts), files


def _attachment(block: dict[str, Any]) -> Attachment:
    source = block["source"]
    match source["type"]:
        case "base64":
            return inline(source["media_type"], source["data"])
        case "url":
            return linked(source["url"], block["type"])
        case "text":
            return Attachment("text/plain", len(source.get("data", "").encode()))
    mime = "image/*" if block["type"] == "image" else "application/*"
    return Attachment(mime, None, str(source.get("file_id", "content")))


def _tool(tool: dict[str, Any]) -> Tool:
    if "input_schema" in tool:
        return Tool(tool["name"], tool["input_schema"], tool.get("description") or "")
    return Tool(str(tool.get("name", tool.get("mcp_server_name"))))
