"""Encode a script as a Gemini response; pure."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from typing import Any, Final

from antigravity.simulator import signatures
from antigravity.simulator.encoders.chunks import alternatives, split_in_half, split_tokens
from antigravity.simulator.encoders.events import Context, Event
from antigravity.simulator.errors import ApiError, google_error
from antigravity.simulator.image_models import draw_image
from antigravity.simulator.script import Call, Script
from antigravity.simulator.speech import SAMPLE_RATE, encode_wav
from antigravity.simulator.validation.gemini_models import is_claude, is_gemini_3, version
from antigravity.simulator.view import View

_REASONS: Final = {"stop": "STOP", "length": "MAX_TOKENS", "tool": "STOP", "stop_sequence": "STOP"}
_FILTERS: Final = ("SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII")

#: Puts a response into what the endpoint wraps around it.
Wrap = Callable[[dict[str, Any]], dict[str, Any]]


def plain(value: dict[str, Any]) -> dict[str, Any]:
    """Return a response unchanged."""
    return value


def wrap_for_code_assist(value: dict[str, Any]) -> dict[str, Any]:
    """Wrap a response in the envelope of ``v1internal``."""
    return {"response": value, "traceId": str(value.get("responseId", "trace"))}


def encode_response(script: Script, context: Context) -> dict[str, Any]:
    """Return the whole response."""
    if script.spelled.lower() == "blocked":
        return _blocked(script, context)
    candidates = []
    for index in range(script.choices):
        chosen = script.choice(index)
        parts = [part for part, _ in _parts(chosen, context, whole=True)]
        candidates.append(_closing(chosen, context, index, parts, chosen.text))
    return {"candidates": candidates, **_frame(script, context)}


def encode_events(script: Script, context: Context) -> Iterator[Event]:
    """Yield the responses of the stream."""
    if script.spelled.lower() == "blocked":
        yield Event(_blocked(script, context))
        return
    image_size = _frame(script, context)
    early = {**image_size["usageMetadata"]}
    for name in ("candidatesTokenCount", "thoughtsTokenCount"):
        early.pop(name, None)
    early["totalTokenCount"] = script.usage.prompt
    for index in range(script.choices):
        chosen = script.choice(index)
        for part, content in _parts(chosen, context, whole=False):
            candidate = {"content": {"parts": [part], "role": "model"}, "index": index}
            value = {"candidates": [candidate], **image_size, "usageMetadata": early}
            yield Event(value, content=content)
        last: dict[str, Any] = {"text": ""}
        if _signs_text(chosen, context):
            last["thoughtSignature"] = signatures.sign("gemini", "")
        yield Event(
            {"candidates": [_closing(chosen, context, index, [last], chosen.text)], **image_size}
        )


def encode_error(error: ApiError, _: int) -> list[Event]:
    """Return the events of an error inside a stream."""
    return [Event(google_error(error).body)]


def _signs_text(script: Script, context: Context) -> bool:
    return bool(script.thinking) and not script.calls and is_gemini_3(context.view.model)


def _parts(script: Script, context: Context, whole: bool) -> Iterator[tuple[dict[str, Any], bool]]:
    """Yield the parts; ``whole`` texts are not split into chunks."""
    model = context.view.model
    if script.thinking:
        yield from _thoughts(script, is_claude(model), whole)
    chunks = [script.text] if whole and script.chunks else list(script.chunks)
    for chunk in chunks:
        part: dict[str, Any] = {"text": chunk}
        if whole and _signs_text(script, context):
            part["thoughtSignature"] = signatures.sign("gemini", chunk)
        yield part, True
    if script.image:
        yield {"inlineData": {"mimeType": "image/png", "data": draw_image(context.view)}}, True
    for piece in [b"".join(script.audio)] if whole and script.audio else script.audio:
        # Single responses are WAV files from 3.8 on.
        file = whole and version(model) >= (3, 8)
        kind = "audio/wav" if file else f"audio/L16;codec=pcm;rate={SAMPLE_RATE}"
        data = base64.b64encode(encode_wav(piece) if file else piece).decode("ascii")
        yield {"inlineData": {"mimeType": kind, "data": data}}, True
    for index, call in enumerate(script.calls):
        yield _call(call, model, first=index == 0, thinks=bool(script.thinking)), True


def _thoughts(script: Script, claude: bool, whole: bool) -> Iterator[tuple[dict[str, Any], bool]]:
    pieces = [script.thinking] if whole else split_in_half(script.thinking)
    signature = signatures.sign("claude", script.thinking)
    for piece in pieces:
        part: dict[str, Any] = {"text": piece, "thought": True}
        if claude and whole:
            part["thoughtSignature"] = signature
        yield part, True
    if claude and not whole:
        yield {"text": "", "thought": True, "thoughtSignature": signature}, False


def _call(call: Call, model: str, first: bool, thinks: bool) -> dict[str, Any]:
    function: dict[str, Any] = {"name": call.name, "args": call.arguments}
    if is_claude(model) or is_gemini_3(model):
        function["id"] = call.id
    part: dict[str, Any] = {"functionCall": function}
    if first and (is_gemini_3(model) or (thinks and version(model) == (2, 5))):
        part["thoughtSignature"] = signatures.sign("gemini", [call.name, call.arguments])
    return part


def _closing(
    script: Script, context: Context, index: int, parts: list[dict[str, Any]], text: str
) -> dict[str, Any]:
    candidate: dict[str, Any] = {
        "content": {"parts": parts, "role": "model"} if parts else {"role": "model"},
        "finishReason": _reason(script),
        "index": index,
    }
    if script.citations:
        candidate["groundingMetadata"] = _grounding(script)
    count = context.view.logprobs
    if count is not None and text:
        candidate["avgLogprobs"] = -0.25
        candidate["logprobsResult"] = {
            "chosenCandidates": [_word(token, -0.25) for token in split_tokens(text)],
            "topCandidates": [
                {"candidates": [_word(*pair) for pair in alternatives(token, count)]}
                for token in split_tokens(text)
            ],
        }
    return candidate


def _word(token: str, value: float) -> dict[str, Any]:
    return {"token": token, "logProbability": value}


def _reason(script: Script) -> str:
    if script.finish == "filter":
        return script.spelled.upper() if script.spelled.upper() in _FILTERS else "SAFETY"
    return _REASONS.get(script.finish, (script.spelled or script.finish).upper())


def _frame(script: Script, context: Context) -> dict[str, Any]:
    response = script.usage.response * script.choices
    usage: dict[str, Any] = {
        "promptTokenCount": script.usage.prompt,
        "candidatesTokenCount": response,
        "totalTokenCount": script.usage.prompt + response + script.usage.thinking,
        "promptTokensDetails": _details(script.usage.prompt, context.view),
    }
    if script.image:
        usage["candidatesTokensDetails"] = [{"modality": "IMAGE", "tokenCount": response}]
    if script.audio:
        usage["candidatesTokensDetails"] = [{"modality": "AUDIO", "tokenCount": response}]
    if script.usage.thinking:
        usage["thoughtsTokenCount"] = script.usage.thinking
    return {
        "usageMetadata": usage,
        "modelVersion": context.view.model,
        "responseId": context.id("resp"),
    }


def _details(prompt: int, view: View) -> list[dict[str, Any]]:
    """Return the tokens of the prompt by modality."""
    others = {"IMAGE": view.image_tokens(), "AUDIO": view.audio_tokens()}
    details = [{"modality": "TEXT", "tokenCount": prompt - sum(others.values())}]
    return details + [{"modality": n, "tokenCount": count} for n, count in others.items() if count]


def _blocked(script: Script, context: Context) -> dict[str, Any]:
    image_size = _frame(script, context)
    usage = {
        "promptTokenCount": script.usage.prompt,
        "totalTokenCount": script.usage.prompt,
    }
    return {"promptFeedback": {"blockReason": "SAFETY"}, **image_size, "usageMetadata": usage}


def _grounding(script: Script) -> dict[str, Any]:
    supports = []
    for index, item in enumerate(script.citations):
        segment: dict[str, Any] = {"text": script.text[item.start : item.stop]}
        # Offsets count bytes, and zero is left out, as in all their messages.
        start = len(script.text[: item.start].encode())
        if start:
            segment["startIndex"] = start
        segment["endIndex"] = len(script.text[: item.stop].encode())
        supports.append({"segment": segment, "groundingChunkIndices": [index]})
    return {
        "webSearchQueries": ["simulated search"],
        "searchEntryPoint": {"renderedContent": "<div>simulated search</div>"},
        "groundingChunks": [
            {"web": {"uri": item.url, "title": item.title}} for item in script.citations
        ],
        "groundingSupports": supports,
    }
