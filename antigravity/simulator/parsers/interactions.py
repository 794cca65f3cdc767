"""Parse a request for an interaction; pure."""

from __future__ import annotations

from typing import Any

from antigravity.simulator.image_models import is_image_model, pixel_size
from antigravity.simulator.parsers.attachments import inline
from antigravity.simulator.speech import is_speech_model
from antigravity.simulator.validation.interactions import formats_of, modalities_of
from antigravity.simulator.view import Attachment, Tool, Turn, View, compact


def parse(name: str, body: dict[str, Any], steps: list[dict[str, Any]]) -> View:
    """Return the view of a valid request; ``steps`` begin with those of earlier interactions."""
    config = body.get("generation_config") or {}
    chosen = config.get("tool_choice") or "auto"
    allowed = chosen.get("allowed_tools") or {} if isinstance(chosen, dict) else {"mode": chosen}
    system = body.get("system_instruction")
    turns = [Turn("system", (system,))] if system else []
    formats = {each["type"]: each for each in formats_of(body)}
    text, drawn = formats.get("text", {}), formats.get("image", {})
    image = {**(config.get("image_config") or {}), **drawn}
    speakers = config.get("speech_config") or [{}]
    shown = config.get("thinking_summaries")
    shown = shown or (body.get("agent_config") or {}).get("thinking_summaries")
    modalities = modalities_of(body)
    return View(
        model=name,
        turns=(*turns, *map(_turn, steps)),
        body=body,
        tools=tuple(map(_tool, body.get("tools") or ())),
        choice={"any": "any", "none": "none"}.get(allowed.get("mode") or "auto", "auto"),
        allowed=tuple(allowed.get("tools") or ()),
        stops=tuple(config.get("stop_sequences") or ()),
        max_tokens=config.get("max_output_tokens"),
        schema=text.get("schema"),
        json_mode="schema" not in text and text.get("mime_type") == "application/json",
        thinking=shown == "auto",
        image_output=is_image_model(name) or "image" in modalities,
        speech_output=is_speech_model(name) or "audio" in modalities,
        voice=str(speakers[0].get("voice") or ""),
        image_size=pixel_size(image.get("aspect_ratio") or "", image.get("image_size") or ""),
    )


def _tool(tool: dict[str, Any]) -> Tool:
    if tool["type"] != "function":
        return Tool(tool["type"])
    return Tool(tool["name"], tool.get("parameters") or {}, tool.get("description") or "")


def _turn(step: dict[str, Any]) -> Turn:
    match step["type"]:
        case "user_input" | "model_output":
            role = "user" if step["type"] == "user_input" else "assistant"
            contents = step.get("content") or []
            texts = tuple(each["text"] for each in contents if each["type"] == "text")
            return Turn(role, texts, tuple(_attachments(contents)))
        case "function_result":
            result = step["result"]
            listed = result if isinstance(result, list) else []
            text = "\n".join(each["text"] for each in listed if each["type"] == "text")
            if not listed:
                text = result if isinstance(result, str) else compact(result)
            text = f"(error) {text}" if step.get("is_error") else text
            return Turn("user", (), tuple(_attachments(listed)), (text,))
    return Turn("assistant", hidden=step.get("name", "") + compact(step.get("arguments") or {}))


def _attachments(contents: list[dict[str, Any]]) -> list[Attachment]:
    found = []
    for each in contents:
        mime_type = each.get("mime_type") or f"{each['type']}/*"
        if each.get("data"):
            found.append(inline(mime_type, each["data"]))
        elif each.get("uri"):
            found.append(Attachment(mime_type, None, each["uri"]))
    return found
