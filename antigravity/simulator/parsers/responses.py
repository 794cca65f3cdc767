"""Parse an OpenAI Responses request; pure."""

from __future__ import annotations

from typing import Any, Final

from antigravity.simulator.parsers.attachments import inline, linked
from antigravity.simulator.parsers.chat import allowed_by
from antigravity.simulator.view import Attachment, Tool, Turn, View, compact

_WITH_TOOLS: Final = ("additional_tools", "tool_search_output")
_LOGPROBS: Final = "message.output_text.logprobs"


def items_of(given: Any) -> list[Any]:
    """Return the input as a list of items."""
    if given is None:
        return []
    if isinstance(given, str):
        return [{"type": "message", "role": "user", "content": given}]
    return list(given)


def parse(body: dict[str, Any], items: list[Any]) -> View:
    """Return the view of a valid request; ``items`` start with those of earlier responses."""
    turns = [Turn("system", (body["instructions"],))] if body.get("instructions") else []
    turns += map(_turn, items)
    choice = body.get("tool_choice")
    forced = choice == "required" or (
        isinstance(choice, dict) and choice.get("mode", "required") == "required"
    )
    form = (body.get("text") or {}).get("format") or {}
    effort = (body.get("reasoning") or {}).get("effort")
    return View(
        model=body["model"],
        turns=tuple(turns),
        body=body,
        tools=tuple(tool for given in _declared(body, items) for tool in _tools(given)),
        choice="none" if choice == "none" else "any" if forced else "auto",
        allowed=allowed_by(choice),
        parallel=body.get("parallel_tool_calls") is not False,
        max_tokens=body.get("max_output_tokens"),
        schema=form.get("schema"),
        json_mode=form.get("type") == "json_object",
        thinking=effort not in (None, "none", "minimal"),
        show_thinking=bool((body.get("reasoning") or {}).get("summary")),
        logprobs=(body.get("top_logprobs") or 0) if _LOGPROBS in body.get("include", ()) else None,
    )


def _declared(body: dict[str, Any], items: list[Any]) -> list[Any]:
    """Return the declared tools; items of the input have more: clients' own, and what is found."""
    later = [item.get("tools") or () for item in items if item.get("type") in _WITH_TOOLS]
    first = [_loaded(tool) for tool in body.get("tools") or ()]
    return [tool for tools in (first, *later) for tool in tools]


def _loaded(tool: dict[str, Any]) -> dict[str, Any]:
    """Return a tool as calls name it: a function that a search loads is in a namespace."""
    if tool["type"] == "function" and tool.get("defer_loading"):
        return {"type": "namespace", "name": tool["name"], "tools": [tool]}
    return tool


def _tools(tool: dict[str, Any], namespace: str = "") -> list[Tool]:
    about = tool.get("description") or ""
    match tool["type"]:
        case "function":
            return [Tool(tool["name"], tool.get("parameters") or {}, about, namespace)]
        case "custom":
            return [Tool(tool["name"], None, about, namespace, custom=True)]
        case "namespace":
            return [inner for child in tool["tools"] for inner in _tools(child, tool["name"])]
    return [Tool(tool["type"])]


def _turn(item: dict[str, Any]) -> Turn:
    kind = item.get("type") or "message"
    if kind == "message":
        role = item["role"]
        texts, attachments = _content(item["content"])
        role = "system" if role == "developer" else role
        return Turn(role, tuple(texts), tuple(attachments))
    if kind in ("function_call_output", "custom_tool_call_output"):
        texts, attachments = _content(item["output"])
        return Turn("user", (), tuple(attachments), ("\n".join(texts),))
    if kind in ("function_call", "custom_tool_call"):
        text = item["name"] + str(item.get("arguments", item.get("input")))
        return Turn("assistant", hidden=text)
    if kind.endswith("_output"):
        return Turn("user", results=(compact(item.get("output", item.get("tools"))),))
    # Reasoning belongs to what follows it; the rest is the service's own.
    hidden = "" if kind == "reasoning" else compact(item)
    return Turn("system" if kind == "additional_tools" else "assistant", hidden=hidden)


def _content(content: Any) -> tuple[list[str], list[Attachment]]:
    if isinstance(content, str):
        return [content] if content else [], []
    texts: list[str] = []
    attachments: list[Attachment] = []
    for part in content:
        match part["type"]:
            case "input_text" | "output_text":
                texts.append(part["text"])
            case "refusal":
                texts.append(part["refusal"])
            case "input_image" if part.get("image_url"):
                attachments.append(linked(part["image_url"]))
            case "input_file" if part.get("file_data"):
                attachments.append(linked(part["file_data"]))
            case "input_file" if part.get("file_url"):
                attachments.append(linked(part["file_url"], "document"))
            case "input_audio":
                audio = part["input_audio"]
                kind = "audio/mpeg" if audio["format"] == "mp3" else "audio/wav"
                attachments.append(inline(kind, audio["data"]))
            case kind:
                mime = "image/*" if kind == "input_image" else "application/*"
                attachments.append(Attachment(mime, None, str(part.get("file_id"))))
    return texts, attachments
