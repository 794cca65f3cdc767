"""Parse a Gemini request in camelCase; pure."""

from __future__ import annotations

from typing import Any

from antigravity.simulator.image_models import is_image_model, pixel_size
from antigravity.simulator.parsers.attachments import inline
from antigravity.simulator.speech import is_speech_model
from antigravity.simulator.view import Attachment, Tool, Turn, View, compact


def parse(model: str, body: dict[str, Any], raw: dict[str, Any]) -> View:
    """Return the view of a valid request; ``raw`` is the original body."""
    config = body.get("generationConfig") or {}
    calling = (body.get("toolConfig") or {}).get("functionCallingConfig") or {}
    thinking = config.get("thinkingConfig") or {}
    image = config.get("imageConfig") or {}
    voice = (config.get("speechConfig") or {}).get("voiceConfig") or {}
    mode = str(calling.get("mode", "AUTO")).upper()
    system = body.get("systemInstruction")
    turns = [_turn({**system, "role": "system"})] if system else []
    turns += [_turn(content) for content in body["contents"]]
    schema = config.get("responseSchema") or config.get("responseJsonSchema")
    return View(
        model=model,
        turns=tuple(turns),
        body=raw,
        tools=tuple(tool for given in body.get("tools") or () for tool in _tools(given)),
        choice={"ANY": "any", "NONE": "none"}.get(mode, "auto"),
        allowed=tuple(calling.get("allowedFunctionNames") or ()),
        stops=tuple(config.get("stopSequences") or ()),
        max_tokens=config.get("maxOutputTokens"),
        schema=schema,
        json_mode=schema is None and config.get("responseMimeType") == "application/json",
        thinking=bool(thinking.get("includeThoughts")) and thinking.get("thinkingBudget") != 0,
        choices=config.get("candidateCount") or 1,
        image_output=is_image_model(model),
        speech_output=is_speech_model(model),
        voice=str((voice.get("prebuiltVoiceConfig") or {}).get("voiceName") or ""),
        speech_style=_speech_style(body),
        image_size=pixel_size(image.get("aspectRatio", ""), image.get("imageSize", "")),
        logprobs=(config.get("logprobs") or 0) if config.get("responseLogprobs") else None,
    )


def _speech_style(body: dict[str, Any]) -> str:
    """Return the style of speech, if the parts name one."""
    parts = [part for content in body["contents"] for part in content["parts"]]
    metadata = [part["speechMetadata"] for part in parts if "speechMetadata" in part]
    return str(metadata[-1].get("style") or "") if metadata else ""


def _tools(tool: dict[str, Any]) -> list[Tool]:
    found = [
        Tool(
            function.get("name", ""),
            function.get("parameters") or function.get("parametersJsonSchema") or {},
            function.get("description") or "",
        )
        for function in tool.get("functionDeclarations") or ()
    ]
    return found + [Tool(name) for name in tool if name != "functionDeclarations"]


def _turn(content: dict[str, Any]) -> Turn:
    texts: list[str] = []
    attachments: list[Attachment] = []
    results: list[str] = []
    hidden = ""
    for part in content["parts"]:
        if part.get("text") and not part.get("thought"):
            texts.append(part["text"])
        if "inlineData" in part or "fileData" in part:
            attachments.append(_attachment(part))
        if "functionCall" in part:
            call = part["functionCall"]
            hidden += call.get("name", "") + compact(call.get("args") or {})
        if "functionResponse" in part:
            result = part["functionResponse"]
            results.append(result_text(result.get("response") or {}))
            attachments += map(_attachment, result.get("parts") or ())
    role = {"model": "assistant", "system": "system"}.get(content.get("role", ""), "user")
    return Turn(role, tuple(texts), tuple(attachments), tuple(results), hidden)


def result_text(response: dict[str, Any]) -> str:
    """Return the text of a function's response."""
    if len(response) == 1:
        ((name, value),) = response.items()
        if name in ("result", "output", "content", "error"):
            text = value if isinstance(value, str) else compact(value)
            return f"(error) {text}" if name == "error" else text
    return compact(response)


def _attachment(part: dict[str, Any]) -> Attachment:
    if "inlineData" in part:
        return inline(part["inlineData"].get("mimeType", ""), part["inlineData"].get("data", ""))
    file = part["fileData"]
    return Attachment(file.get("mimeType") or "application/*", None, file.get("fileUri", ""))
