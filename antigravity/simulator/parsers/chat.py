"""Parse an OpenAI request for a chat completion or completion; pure."""

from __future__ import annotations

from typing import Any

from antigravity.simulator.parsers.attachments import inline, linked, strings
from antigravity.simulator.view import Attachment, Tool, Turn, View, compact


def parse(body: dict[str, Any]) -> View:
    """Return the view of a valid request for a chat completion."""
    choice = body.get("tool_choice")
    form = body.get("response_format") or {}
    effort = body.get("reasoning_effort")
    compatible = (body.get("thinking") or {}).get("type") == "enabled"
    return View(
        model=body["model"],
        turns=tuple(map(_turn, body["messages"])),
        body=body,
        tools=tuple(map(_tool, body.get("tools") or ())),
        choice=choice_of(choice),
        allowed=allowed_by(choice),
        parallel=body.get("parallel_tool_calls") is not False,
        stops=strings(body.get("stop")),
        max_tokens=body.get("max_completion_tokens") or body.get("max_tokens"),
        schema=(form.get("json_schema") or {}).get("schema"),
        json_mode=form.get("type") == "json_object",
        thinking=effort not in (None, "none", "minimal") or compatible,
        choices=body.get("n") or 1,
        logprobs=(body.get("top_logprobs") or 0) if body.get("logprobs") else None,
    )


def parse_completion(body: dict[str, Any]) -> View:
    """Return the view of a valid request for a completion."""
    prompts = _prompts(body["prompt"])
    return View(
        model=body["model"],
        turns=(Turn("user", prompts),),
        body=body,
        stops=strings(body.get("stop")),
        max_tokens=body.get("max_tokens"),
        choices=len(prompts) * (body.get("n") or 1),
    )


def _prompts(given: Any) -> tuple[str, ...]:
    """Return a text for each prompt; for tokens, their number."""
    if isinstance(given, str):
        return (given,)
    if isinstance(given[0], int):
        return (f"{len(given)} tokens",)
    return tuple(item if isinstance(item, str) else f"{len(item)} tokens" for item in given)


def choice_of(choice: Any) -> str:
    """Return auto, none or any."""
    if isinstance(choice, dict):
        inner = choice.get("allowed_tools") or choice
        return "any" if inner.get("mode", "required") == "required" else "auto"
    return {"none": "none", "required": "any"}.get(str(choice), "auto")


def allowed_by(choice: Any) -> tuple[str, ...]:
    """Return the names of the tools that a choice allows; none means all."""
    if not isinstance(choice, dict):
        return ()
    inner = choice.get("allowed_tools") or choice
    if "tools" in inner:
        return tuple(
            str((tool.get("function") or tool.get("custom") or tool).get("name"))
            for tool in inner["tools"]
        )
    named = choice.get("function") or choice.get("custom") or choice
    return (str(named["name"]),) if "name" in named else ()


def _tool(tool: dict[str, Any]) -> Tool:
    if tool["type"] == "custom":
        custom = tool["custom"]
        return Tool(custom["name"], None, custom.get("description") or "", custom=True)
    function = tool["function"]
    return Tool(
        function["name"], function.get("parameters") or {}, function.get("description") or ""
    )


def _turn(message: dict[str, Any]) -> Turn:
    role = message["role"]
    texts, attachments = _content(message.get("content"))
    if role in ("tool", "function"):
        return Turn("user", (), tuple(attachments), ("\n".join(texts),))
    hidden = "".join(
        call.get("function", call.get("custom"))["name"]
        + call.get("function", {}).get("arguments", "")
        + call.get("custom", {}).get("input", "")
        for call in message.get("tool_calls") or ()
    )
    role = "system" if role == "developer" else role
    return Turn(role, tuple(texts), tuple(attachments), (), hidden)


def _content(content: Any) -> tuple[list[str], list[Attachment]]:
    if content is None or isinstance(content, str):
        return [content] if content else [], []
    texts: list[str] = []
    attachments: list[Attachment] = []
    for part in content:
        match part["type"]:
            case "text":
                texts.append(part["text"])
            case "refusal":
                texts.append(part["refusal"])
            case "image_url":
                attachments.append(linked(part["image_url"]["url"]))
            case "video_url":
                attachments.append(linked(part["video_url"]["url"], "video"))
            case "input_audio":
                audio = part["input_audio"]
                kind = "audio/mpeg" if audio["format"] == "mp3" else "audio/wav"
                attachments.append(inline(kind, audio["data"]))
            case "file":
                file = part["file"]
                attachments.append(
                    linked(file["file_data"])
                    if file.get("file_data")
                    else Attachment("application/*", None, file["file_id"])
                )
            case _:
                texts.append(compact(part))
    return texts, attachments
